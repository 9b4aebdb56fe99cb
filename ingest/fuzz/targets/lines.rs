//! Lines that arrive in pieces: the first byte says how large pieces are, the second how long a line may be.

use router_ingest::lines::{Lines, TooLong};

/// The same lines come out however the stream is cut, and no more is held than a line and a piece.
pub fn lines(input: &[u8]) {
    let [piece, most, stream @ ..] = input else { return };
    let (piece, most) = (usize::from(*piece).max(1), usize::from(*most));
    let whole = cut(stream, stream.len().max(1), most);
    assert_eq!(cut(stream, piece, most), whole);
    // What is expected, said another way. What follows the last end is pushed to its end by the caller.
    let ended: Vec<&[u8]> = stream.split(|b| *b == b'\n').collect();
    let taken = ended.iter().take_while(|line| line.len() <= most).count();
    let (lines, end) = &whole;
    assert_eq!(lines.len(), taken.min(ended.len() - 1), "every line up to the first that is too long");
    assert!(lines.iter().zip(&ended).all(|(a, b)| a == b));
    let fails = taken < ended.len();
    assert_eq!(*end, fails.then(|| TooLong { line: taken as u64 + 1 }));
}

fn cut(stream: &[u8], piece: usize, most: usize) -> (Vec<Vec<u8>>, Option<TooLong>) {
    let mut lines = Lines::new(most);
    let mut out = Vec::new();
    for piece in stream.chunks(piece) {
        lines.push(piece);
        loop {
            match lines.next_line() {
                Ok(Some((number, line))) => {
                    assert_eq!(number, out.len() as u64 + 1);
                    out.push(line.to_vec());
                }
                Ok(None) => break,
                Err(too_long) => return (out, Some(too_long)),
            }
        }
    }
    (out, None)
}
