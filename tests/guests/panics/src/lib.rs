//! Panics in `notify`.

hostile::notify!(|_, _| panic!("this guest panics"));
