//! Prints ten thousand lines to standard output, and stops as soon as one is not taken. It keeps the stream for its next call,
//! as whatever is built with WASI's adapter does.

use std::cell::LazyCell;

use ciba_guest::Outcome;
use wasi::cli::stdout::get_stdout;
use wasi::io::streams::OutputStream;

wit_bindgen::generate!({
    inline: "
        package test:prints;

        world prints-world {
            import wasi:cli/stdout@0.2.0;
        }

        package wasi:io@0.2.0 {
            interface error {
                resource error;
            }

            interface streams {
                use error.{error};

                variant stream-error {
                    last-operation-failed(error),
                    closed,
                }

                resource output-stream {
                    blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>;
                }
            }
        }

        package wasi:cli@0.2.0 {
            interface stdout {
                use wasi:io/streams@0.2.0.{output-stream};

                get-stdout: func() -> output-stream;
            }
        }
    ",
    generate_all,
});

thread_local! {
    static STDOUT: LazyCell<OutputStream> = LazyCell::new(get_stdout);
}

hostile::notify!(|_, _| {
    let print = |number| STDOUT.with(|stdout| stdout.blocking_write_and_flush(format!("line {number}\n").as_bytes()).ok());
    let taken = (0..10_000).map_while(print).count();
    Ok(Outcome::accepted(format!("{taken} lines")))
});
