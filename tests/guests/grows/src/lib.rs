//! Takes memory, and writes to it, until there is no more.

hostile::notify!(|_, _| loop {
    vec![1_u8; 1 << 20].leak();
});
