//! Never comes back from `notify`.

hostile::notify!(|_, _| loop {
    core::hint::black_box(());
});
