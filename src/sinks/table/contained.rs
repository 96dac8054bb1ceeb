//! Panics of other people's code, kept where they belong: to the event that caused them.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic of this thread would be contained now. A panic hook asks this before it ends
/// the process, as it should for every other panic: nobody knows then what state is left.
pub fn is_contained() -> bool {
    CONTAINED.get()
}

/// What `call` returns or, if it panics, what with.
pub(super) fn contained<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    let before = CONTAINED.replace(true);
    // What `call` borrows mutably is dropped with it; what it shares is `Sync`, and poisons itself.
    let result = catch_unwind(AssertUnwindSafe(call));
    CONTAINED.set(before);
    result.map_err(message)
}

/// What a panic said.
fn message(payload: Box<dyn Any + Send>) -> String {
    let payload = match payload.downcast::<String>() {
        Ok(text) => return *text,
        Err(other) => other,
    };
    match payload.downcast::<&'static str>() {
        Ok(text) => (*text).to_owned(),
        Err(other) => {
            // Its drop is other people's code too, and could panic outside of any containment.
            std::mem::forget(other);
            "something that is no text".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message() {
        assert_eq!(contained(|| 7), Ok(7));
        assert_eq!(contained(|| panic!("plain")), Err::<(), _>("plain".to_owned()));
        assert_eq!(contained(|| panic!("of {}", 7)), Err::<(), _>("of 7".to_owned()));
        assert!(!is_contained());
        assert_eq!(contained(is_contained), Ok(true));
    }

    #[test]
    fn a_payload_that_panics_when_it_is_dropped_does_no_harm() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("again");
            }
        }
        let result = contained(|| std::panic::panic_any(Bomb));
        assert_eq!(result, Err::<(), _>("something that is no text".to_owned()));
    }
}
