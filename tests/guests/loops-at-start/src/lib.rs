//! Never finishes being instantiated: a component runs `_initialize` before anything else.

use ciba_guest::Outcome;

#[expect(unsafe_code, reason = "the name is what makes it run at the start")]
#[unsafe(export_name = "_initialize")]
extern "C" fn initialize() {
    loop {
        core::hint::black_box(());
    }
}

hostile::notify!(|_, _| Ok(Outcome::accepted("")));
