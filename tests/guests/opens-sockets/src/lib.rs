//! Makes sockets, looks for files and for what the host was started with, which nobody can allow, and answers with how many
//! it got. Each socket is a file of the host's process.

use ciba_guest::Outcome;
use wasi::cli::environment::{get_arguments, get_environment};
use wasi::filesystem::preopens::get_directories;
use wasi::sockets::network::IpAddressFamily;
use wasi::sockets::tcp_create_socket::create_tcp_socket;
use wasi::sockets::udp_create_socket::create_udp_socket;

wit_bindgen::generate!({
    inline: "
        package test:sockets;

        world sockets-world {
            import wasi:sockets/tcp-create-socket@0.2.0;
            import wasi:sockets/udp-create-socket@0.2.0;
            import wasi:cli/environment@0.2.0;
            import wasi:filesystem/preopens@0.2.0;
        }

        package wasi:cli@0.2.0 {
            interface environment {
                get-environment: func() -> list<tuple<string, string>>;
                get-arguments: func() -> list<string>;
            }
        }

        package wasi:filesystem@0.2.0 {
            interface types {
                resource descriptor;
            }

            interface preopens {
                use types.{descriptor};

                get-directories: func() -> list<tuple<descriptor, string>>;
            }
        }

        package wasi:sockets@0.2.0 {
            interface network {
                enum error-code {
                    unknown,
                    access-denied,
                    not-supported,
                    invalid-argument,
                    out-of-memory,
                    timeout,
                    concurrency-conflict,
                    not-in-progress,
                    would-block,
                    invalid-state,
                    new-socket-limit,
                    address-not-bindable,
                    address-in-use,
                    remote-unreachable,
                    connection-refused,
                    connection-reset,
                    connection-aborted,
                    datagram-too-large,
                    name-unresolvable,
                    temporary-resolver-failure,
                    permanent-resolver-failure,
                }

                enum ip-address-family {
                    ipv4,
                    ipv6,
                }
            }

            interface tcp {
                resource tcp-socket;
            }

            interface udp {
                resource udp-socket;
            }

            interface tcp-create-socket {
                use network.{error-code, ip-address-family};
                use tcp.{tcp-socket};

                create-tcp-socket: func(address-family: ip-address-family) -> result<tcp-socket, error-code>;
            }

            interface udp-create-socket {
                use network.{error-code, ip-address-family};
                use udp.{udp-socket};

                create-udp-socket: func(address-family: ip-address-family) -> result<udp-socket, error-code>;
            }
        }
    ",
    generate_all,
});

/// More than a process may have open, where nobody raised that limit.
const ENOUGH: usize = 400;

hostile::notify!(|_, _| {
    let tcp: Vec<_> = (0..ENOUGH).map_while(|_| create_tcp_socket(IpAddressFamily::Ipv4).ok()).collect();
    let udp: Vec<_> = (0..ENOUGH).map_while(|_| create_udp_socket(IpAddressFamily::Ipv6).ok()).collect();
    let (variables, arguments, folders) = (get_environment().len(), get_arguments().len(), get_directories().len());
    let (tcp, udp) = (tcp.len(), udp.len());
    Ok(Outcome::Other(format!("{tcp} tcp and {udp} udp sockets, {variables} variables, {arguments} arguments, {folders} folders")))
});
