//! Answers with a text that it says is 1 GiB long. There is no such text.

use ciba_guest::Outcome;

hostile::notify!(|_, _| {
    let text = Box::leak(Box::<str>::from("short"));
    #[expect(unsafe_code, reason = "a lie about a length cannot be told safely")]
    // SAFETY: none. The text is never read here, and the host has to find out.
    let text = unsafe { String::from_raw_parts(text.as_mut_ptr(), 1 << 30, 1 << 30) };
    Ok(Outcome::accepted(text))
});
