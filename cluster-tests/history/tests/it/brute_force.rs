//! The definition itself, word for word: tries every order of every choice of what happened. Only for very small histories.

/// One operation of a very small history.
#[derive(Clone, Copy, Debug)]
pub struct Small {
    /// When it is called.
    pub called: u8,
    /// When it returns, if it does.
    pub returned: Option<u8>,
    /// Whether it writes.
    pub writes: bool,
    /// What it writes or sees; 0 is absence.
    pub value: u8,
}

/// Whether there is an order.
pub fn is_linearizable(operations: &[Small]) -> bool {
    let (done, unknown): (Vec<Small>, Vec<Small>) = operations.iter().partition(|one| one.returned.is_some());
    let unknown: Vec<Small> = unknown.into_iter().filter(|one| one.writes).collect();
    (0..1_u32 << unknown.len()).any(|choice| {
        let happened = unknown.iter().enumerate().filter(|(number, _)| choice & 1 << number != 0);
        let mut chosen: Vec<Small> = done.iter().copied().chain(happened.map(|(_, one)| *one)).collect();
        let length = chosen.len();
        some_order(&mut chosen, length)
    })
}

/// Whether one of the orders of the first `free` holds, followed by the others as they are (Heap's algorithm).
fn some_order(operations: &mut [Small], free: usize) -> bool {
    if free <= 1 {
        return explains(operations);
    }
    (0..free).any(|number| {
        let found = some_order(operations, free - 1);
        operations.swap(if free.is_multiple_of(2) { number } else { 0 }, free - 1);
        found
    })
}

fn explains(order: &[Small]) -> bool {
    let mut value = 0;
    order.iter().enumerate().all(|(number, one)| {
        let may_follow = order[..number].iter().all(|earlier| one.returned.is_none_or(|end| end >= earlier.called));
        let sees = one.writes || one.value == value;
        value = one.value;
        may_follow && sees
    })
}
