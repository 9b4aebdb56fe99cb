//! Deliberate faults, to see that the simulation finds them: `fault!(Name)` is true where the fault is switched on for the
//! thread. Without the feature `faults` it is `false`, and costs nothing.

#[cfg(feature = "faults")]
macro_rules! fault {
    ($name:ident) => {
        $crate::faults::is_on($crate::faults::Fault::$name)
    };
}

#[cfg(not(feature = "faults"))]
macro_rules! fault {
    ($name:ident) => {
        false
    };
}

#[cfg(feature = "faults")]
pub use switch::{Fault, is_any, is_on, switch};

/// Whether any fault is on: the engine's own assertions are silent then, as the simulation must see it.
#[cfg(not(feature = "faults"))]
pub fn is_any() -> bool {
    false
}

#[cfg(feature = "faults")]
mod switch {
    use std::cell::Cell;

    /// What the engine does wrong.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    #[allow(missing_docs, reason = "each is named for what it does; the simulation's table tells more")]
    pub enum Fault {
        ClaimOldEpoch,
        ClaimAtExpiry,
        TwoWinners,
        AskWhoDeclined,
        DeclineForgotten,
        UnpinnedHoldKept,
        HeldKept,
        OfferLapsesEarly,
        LapsesNever,
        LapsesByEngineTime,
        OutageCounted,
        CountWithoutAllocated,
        AtpWithoutHeld,
        AtpWithoutSafetyStock,
        CancelKeepsCell,
        PartGivenBackForgotten,
        PartTakenTwice,
        KeyForgotten,
        OutcomeLeftOut,
        RowLeftOut,
        TimeGoesBack,
        DeadlinesNotRestored,
        HoldsNotRestored,
        HoldLapsesEarly,
        WorkLateEarly,
        ShipmentKeepsStock,
        OversellsByOne,
        RefusedReserveHolds,
        RetryLosesUnits,
    }

    thread_local! {
        static ON: Cell<Option<Fault>> = const { Cell::new(None) };
    }

    /// Switches a fault on for this thread, or all off.
    pub fn switch(fault: Option<Fault>) {
        ON.set(fault);
    }

    /// Whether this fault is on.
    pub fn is_on(fault: Fault) -> bool {
        ON.get() == Some(fault)
    }

    /// Whether any fault is on: the engine's own assertions are silent then, as the simulation must see it.
    pub fn is_any() -> bool {
        ON.get().is_some()
    }
}
