//! What the cells of one SKU can give, side by side: a choice looks at many nodes, and reads nothing else of a cell.

use router_schemas::quantity::Qty;

/// Nodes in a block, one bit of a word each.
pub const BLOCK: usize = 64;

/// The cells of one SKU. Rebuilt, never written.
#[derive(Debug, Default)]
pub struct Shelf {
    /// Ascending by place; only those that have a cell.
    blocks: Vec<Block>,
}

/// The cells at 64 nodes whose numbers follow one another.
#[derive(Debug)]
pub struct Block {
    /// Number of the first node, in blocks.
    place: usize,
    /// Nodes that have a cell.
    cells: u64,
    /// What each could give; nothing where there is no cell.
    atp: [Qty; BLOCK],
}

impl Shelf {
    /// Takes over what the cell at a node can give.
    pub fn set(&mut self, node: u32, atp: Qty) {
        let (place, bit) = (node as usize / BLOCK, node as usize % BLOCK);
        let found = self.blocks.binary_search_by_key(&place, |b| b.place);
        let at = found.unwrap_or_else(|at| {
            self.blocks.insert(at, Block { place, cells: 0, atp: [Qty::ZERO; BLOCK] });
            at
        });
        let block = &mut self.blocks[at];
        block.cells |= 1 << bit;
        block.atp[bit] = atp;
    }

    /// What the cells at these nodes can give together; one bit a node.
    pub fn sum(&self, nodes: &[u64]) -> Qty {
        let of_block = |block: &Block| -> Qty {
            let word = nodes.get(block.place).copied().unwrap_or(0) & block.cells;
            bits(word).map(|bit| block.atp[bit]).sum()
        };
        self.blocks.iter().map(of_block).sum()
    }

    /// The block at a place, where it has a cell.
    pub fn block(&self, place: usize) -> Option<&Block> {
        // A SKU that is everywhere has every block.
        match self.blocks.get(place) {
            Some(block) if block.place == place => Some(block),
            _ => self.blocks.binary_search_by_key(&place, |b| b.place).ok().map(|at| &self.blocks[at]),
        }
    }

    /// What the cell at a node can give, as last taken over; `None`: there is no cell.
    pub fn atp(&self, node: u32) -> Option<Qty> {
        let (place, bit) = (node as usize / BLOCK, node as usize % BLOCK);
        self.block(place).filter(|b| b.cells >> bit & 1 == 1).map(|b| b.atp[bit])
    }
}

impl Block {
    /// Nodes that have a cell, one bit each.
    pub fn cells(&self) -> u64 {
        self.cells
    }

    /// Those of the nodes that could give so much.
    pub fn giving(&self, nodes: u64, qty: Qty) -> u64 {
        if nodes.count_ones() < FEW {
            return bits(nodes).filter(|bit| self.atp[*bit] >= qty).fold(0, |word, bit| word | 1 << bit);
        }
        // All of them, eight at a time and without a branch.
        let eight = |word: u64, (n, atps): (usize, &[Qty])| {
            let byte = (0..8).fold(0, |byte, bit| byte | u64::from(atps[bit] >= qty) << bit);
            word | byte << (8 * n)
        };
        self.atp.chunks_exact(8).enumerate().fold(0, eight) & nodes
    }
}

/// So few nodes of a block are looked at one by one.
const FEW: u32 = 24;

/// The numbers of the bits that are set, ascending.
pub fn bits(word: u64) -> Bits {
    Bits(word)
}

/// What is left of a word.
pub struct Bits(u64);

impl Iterator for Bits {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let bit = self.0.trailing_zeros() as usize % BLOCK;
        self.0 &= self.0 - 1;
        Some(bit)
    }
}
