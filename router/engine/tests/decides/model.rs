//! A naive model of the default rule set, written from the settled meanings and from nothing else: whole units in
//! plain maps, everything summed anew for every question, every waiting order asked again after every step. Three
//! nodes of one zone, in rank order; facts that contradict what is known are not among its steps.

use std::collections::BTreeMap;

pub const NODES: [&str; 3] = ["near", "mid", "far"];
pub const SKUS: [&str; 3] = ["A", "B", "C"];

/// States of a unit; the first four are promises that a node has.
pub const PROMISED: [&str; 4] = ["backordered", "allocated", "picked", "ready"];

#[derive(Clone, Default)]
pub struct Cell {
    pub on_hand: i64,
    pub blocked: i64,
    pub safety: i64,
    pub allowance: i64,
}

#[derive(Clone, Default)]
pub struct Order {
    pub priority: u8,
    /// Name and SKU, in their order.
    pub lines: Vec<(String, String)>,
    /// What was stated last of each line.
    stated: BTreeMap<String, i64>,
    /// Line and node, as they were first planned.
    plan: Vec<(String, String)>,
}

/// Order, line, node ("" for none), state.
pub type Key = (usize, String, String, &'static str);

#[derive(Clone, Default)]
pub struct Model {
    pub cells: BTreeMap<(String, String), Cell>,
    pub paused: Vec<String>,
    /// In order of arrival.
    pub orders: Vec<Order>,
    pub units: BTreeMap<Key, i64>,
}

impl Model {
    pub fn of(&self, order: usize, line: &str, node: &str, state: &'static str) -> i64 {
        self.units.get(&(order, line.into(), node.into(), state)).copied().unwrap_or(0)
    }

    fn add(&mut self, order: usize, line: &str, node: &str, state: &'static str, qty: i64) {
        if qty == 0 {
            return;
        }
        let plan = &mut self.orders[order].plan;
        if !node.is_empty() && !plan.iter().any(|(l, n)| l == line && n == node) {
            plan.push((line.into(), node.into()));
        }
        *self.units.entry((order, line.into(), node.into(), state)).or_default() += qty;
        // A plan names the nodes that have, or had and sent, units of the line.
        let states = ["backordered", "allocated", "picked", "ready", "shipped"];
        if states.iter().all(|state| self.of(order, line, node, state) == 0) {
            self.orders[order].plan.retain(|(l, n)| l != line || n != node);
        }
    }

    /// Units of a line in one state, over all nodes.
    pub fn line(&self, order: usize, line: &str, state: &'static str) -> i64 {
        let mine = self.units.iter().filter(|((o, l, _, s), _)| *o == order && l == line && *s == state);
        mine.map(|(_, qty)| qty).sum()
    }

    fn sku(&self, order: usize, line: &str) -> &str {
        &self.orders[order].lines.iter().find(|(name, _)| name == line).expect("a line of the order").1
    }

    /// Units of a SKU promised at a node, in these states.
    fn promised(&self, node: &str, sku: &str, states: &[&str]) -> i64 {
        let there = |(order, line, at, state): &Key| {
            at == node && states.contains(state) && self.sku(*order, line) == sku
        };
        self.units.iter().filter(|(key, _)| there(key)).map(|(_, qty)| qty).sum()
    }

    pub fn allocated(&self, node: &str, sku: &str) -> i64 {
        self.promised(node, sku, &PROMISED)
    }

    pub fn backordered(&self, node: &str, sku: &str) -> i64 {
        self.promised(node, sku, &["backordered"])
    }

    pub fn cell(&mut self, node: &str, sku: &str) -> &mut Cell {
        self.cells.entry((node.into(), sku.into())).or_default()
    }

    fn see(&self, node: &str, sku: &str) -> Cell {
        self.cells.get(&(node.into(), sku.into())).cloned().unwrap_or_default()
    }

    /// What is available to promise.
    pub fn atp(&self, node: &str, sku: &str) -> i64 {
        if self.paused.iter().any(|paused| paused == node) {
            return 0;
        }
        let cell = self.see(node, sku);
        (cell.on_hand - self.allocated(node, sku) - cell.blocked - cell.safety).max(0)
    }

    /// A new order: its lines are open, then it is routed.
    pub fn place(&mut self, priority: u8, lines: &[(String, String, i64)]) {
        self.orders.push(Order { priority, ..Order::default() });
        self.open_lines(self.orders.len() - 1, lines);
        self.route(self.orders.len() - 1);
    }

    fn open_lines(&mut self, order: usize, lines: &[(String, String, i64)]) {
        for (name, sku, qty) in lines {
            if !self.has(order, name) {
                self.orders[order].lines.push((name.clone(), sku.clone()));
                self.orders[order].stated.insert(name.clone(), *qty);
            }
            self.add(order, name, "", "open", *qty);
        }
    }

    /// The order's whole new state: what was stated before is compared with what is stated now. Less: cancelled units
    /// count first, then units are taken as by a cancel, without trace. More: what is above all that was ever ordered
    /// of the line is open; cancelled units are not revived.
    pub fn amend(&mut self, order: usize, lines: &[(String, String, i64)]) {
        let mut more = Vec::new();
        for (name, sku) in self.orders[order].lines.clone() {
            let stated = lines.iter().find(|(line, ..)| *line == name).map_or(0, |line| line.2);
            let before = self.orders[order].stated.get(&name).copied().unwrap_or(0);
            let ordered = self.line(order, &name, "cancelled") + self.live(order, &name);
            if stated < before {
                let less = (ordered - stated).max(0);
                let cancelled = less.min(self.line(order, &name, "cancelled"));
                self.add(order, &name, "", "cancelled", -cancelled);
                self.take_away(order, &name, less - cancelled, None);
            } else if stated > before {
                more.push((name.clone(), sku, (stated - ordered.max(before)).max(0)));
            }
            self.orders[order].stated.insert(name, stated);
        }
        let fresh = lines.iter().filter(|(name, ..)| !self.has(order, name)).cloned();
        more.extend(fresh.collect::<Vec<_>>());
        self.open_lines(order, &more);
        self.route(order);
    }

    pub fn has(&self, order: usize, line: &str) -> bool {
        self.orders[order].lines.iter().any(|(name, _)| name == line)
    }

    /// Units of the line that are wanted: all but the cancelled ones.
    fn live(&self, order: usize, line: &str) -> i64 {
        let states = ["open", "shipped"].iter().chain(&PROMISED);
        states.map(|state| self.line(order, line, state)).sum()
    }

    /// Cancels units of a line; those that are picked stay.
    pub fn cancel(&mut self, order: usize, line: &str, qty: i64) -> i64 {
        self.take_away(order, line, qty, Some("cancelled"))
    }

    fn take_away(&mut self, order: usize, line: &str, qty: i64, to: Option<&'static str>) -> i64 {
        let mut left = qty.max(0);
        let mut steps = vec![(String::new(), "open")];
        for state in ["backordered", "allocated"] {
            let plan = self.orders[order].plan.iter().rev().filter(|(l, _)| l == line);
            steps.extend(plan.map(|(_, node)| (node.clone(), state)));
        }
        for (node, state) in steps {
            let part = left.min(self.of(order, line, &node, state));
            self.add(order, line, &node, state, -part);
            if let Some(to) = to {
                self.add(order, line, "", to, part);
            }
            left -= part;
        }
        qty.max(0) - left
    }

    /// Units at a node go on, from the furthest state first.
    pub fn go(
        &mut self,
        order: usize,
        line: &str,
        node: &str,
        from: &[&'static str],
        to: &'static str,
        qty: i64,
    ) {
        let mut left = qty;
        for state in from {
            let part = left.min(self.of(order, line, node, state));
            self.add(order, line, node, to, part);
            self.add(order, line, node, state, -part);
            left -= part;
        }
        if to == "shipped" {
            let sku = self.sku(order, line).to_owned();
            self.cell(node, &sku).on_hand -= qty;
        }
    }

    /// Who waits, in the order of the promise to them; each takes what it can, again and again until nothing moves.
    pub fn wake(&mut self) {
        loop {
            let before = self.units.clone();
            let mut waiting: Vec<usize> = (0..self.orders.len()).collect();
            waiting.sort_by_key(|order| (self.orders[*order].priority, *order));
            for order in waiting {
                self.turn_on_hand(order);
                self.route(order);
            }
            if self.units == before {
                return;
            }
        }
    }

    fn turn_on_hand(&mut self, order: usize) {
        for (line, node) in self.orders[order].plan.clone() {
            let sku = self.sku(order, &line).to_owned();
            let cell = self.see(&node, &sku);
            let taken = self.allocated(&node, &sku) - self.backordered(&node, &sku);
            let there = (cell.on_hand - cell.blocked - cell.safety - taken).max(0);
            let part = there.min(self.of(order, &line, &node, "backordered"));
            // In this order, so that the node keeps its place in the plan.
            self.add(order, &line, &node, "allocated", part);
            self.add(order, &line, &node, "backordered", -part);
        }
    }

    /// The default rule set, on all that is open of the order.
    fn route(&mut self, order: usize) {
        let mut left: Vec<(String, i64)> = Vec::new();
        for (name, sku) in self.orders[order].lines.clone() {
            let open = self.line(order, &name, "open");
            match left.iter_mut().find(|(known, _)| *known == sku) {
                Some((_, qty)) => *qty += open,
                None => left.push((sku, open)),
            }
        }
        left.retain(|(_, qty)| *qty > 0);
        if left.is_empty() {
            return;
        }
        let used = |node: &str| {
            PROMISED.iter().any(|state| {
                self.orders[order].lines.iter().any(|(line, _)| self.of(order, line, node, state) > 0)
            })
        };
        let mut ranked: Vec<&str> = NODES.to_vec();
        ranked.retain(|node| !self.paused.iter().any(|paused| paused == node));
        ranked.sort_by_key(|node| !used(node));
        for node in self.choose(&ranked, &left) {
            for (sku, qty) in &mut left {
                let part = self.atp(node, sku).min(*qty);
                self.promise(order, sku, node, "allocated", part);
                *qty -= part;
            }
        }
        for (sku, qty) in &mut left {
            for node in &ranked {
                let may = (self.see(node, sku).allowance - self.backordered(node, sku)).max(0);
                let part = may.min(*qty);
                self.promise(order, sku, node, "backordered", part);
                *qty -= part;
            }
        }
    }

    /// One node, else a pair, else the greediest again and again.
    fn choose(&self, ranked: &[&'static str], wanted: &[(String, i64)]) -> Vec<&'static str> {
        let covers = |nodes: &[&str]| {
            wanted.iter().all(|(sku, qty)| nodes.iter().map(|node| self.atp(node, sku)).sum::<i64>() >= *qty)
        };
        if let Some(one) = ranked.iter().find(|node| covers(&[node])) {
            return vec![one];
        }
        for (n, a) in ranked.iter().enumerate() {
            if let Some(b) = ranked[n + 1..].iter().find(|b| covers(&[a, b])) {
                return vec![a, b];
            }
        }
        let (mut left, mut rest, mut chosen) = (wanted.to_vec(), ranked.to_vec(), Vec::new());
        while !rest.is_empty() {
            let worth = |node: &&&str| {
                let parts = left.iter().filter(|(_, qty)| *qty > 0);
                let parts = parts.map(|(sku, qty)| (self.atp(node, sku).min(*qty), *qty));
                parts.fold((0, 0), |(whole, sum), (part, qty)| (whole + i64::from(part == qty), sum + part))
            };
            let best = rest.iter().map(|node| worth(&node)).max().unwrap_or_default();
            let place = rest.iter().position(|node| worth(&node) == best).unwrap_or_default();
            let node = rest.remove(place);
            left.iter_mut().for_each(|(sku, qty)| *qty -= self.atp(node, sku).min(*qty));
            chosen.push(node);
        }
        chosen
    }

    /// Gives units of a SKU to the order's lines, in their order.
    fn promise(&mut self, order: usize, sku: &str, node: &str, state: &'static str, qty: i64) {
        let mut left = qty;
        for (line, of) in self.orders[order].lines.clone() {
            if of == sku && left > 0 {
                let part = left.min(self.line(order, &line, "open"));
                self.add(order, &line, "", "open", -part);
                if part > 0 {
                    self.add(order, &line, node, state, part);
                }
                left -= part;
            }
        }
    }

    /// Parked, worked on, or ended: what follows from the units.
    pub fn state(&self, order: usize) -> &'static str {
        let any = |states: &[&'static str]| {
            let lines = &self.orders[order].lines;
            lines.iter().any(|(line, _)| states.iter().any(|state| self.line(order, line, state) > 0))
        };
        match () {
            () if any(&["open"]) => "parked:unfillable",
            () if any(&PROMISED) => "in_fulfilment",
            () if any(&["shipped"]) => "completed",
            () => "cancelled",
        }
    }
}
