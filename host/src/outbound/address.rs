//! Which addresses may be connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

/// Networks inside the operator's house that may be reached although they are not public.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Networks(Vec<(IpAddr, u8)>);

impl TryFrom<Vec<String>> for Networks {
    type Error = String;

    fn try_from(texts: Vec<String>) -> Result<Self, String> {
        texts.iter().map(|text| network(text)).collect::<Result<_, _>>().map(Self)
    }
}

impl From<Networks> for Vec<String> {
    fn from(networks: Networks) -> Self {
        networks.0.iter().map(|(address, bits)| format!("{address}/{bits}")).collect()
    }
}

fn network(text: &str) -> Result<(IpAddr, u8), String> {
    let wrong = || format!("`{text}` is not a network: write for example 10.0.0.0/8 or fd00::/8");
    let (address, bits) = text.split_once('/').ok_or_else(wrong)?;
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let bits: u8 = bits.parse().map_err(|_| wrong())?;
    if bits > if address.is_ipv4() { 32 } else { 128 } {
        return Err(wrong());
    }
    if let IpAddr::V6(address) = address
        && let Some(mapped) = address.to_ipv4_mapped()
    {
        return Err(format!("`{text}` is a network of IPv4 in the form of IPv6: write for example {mapped}/{}", bits.saturating_sub(96)));
    }
    Ok((address, bits))
}

impl Networks {
    /// Whether a name may lead to this address.
    pub fn allow(&self, address: IpAddr) -> bool {
        let address = led_to(address);
        !is_reserved(address) && (is_public(address) || self.hold(address))
    }

    /// Whether one of them is the whole world.
    pub fn are_everything(&self) -> bool {
        self.0.iter().any(|(_, bits)| *bits == 0)
    }

    /// Whether this address is in one of them.
    pub fn hold(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|(network, bits)| contains(*network, *bits, address))
    }
}

/// Whether an address that the operator allowed as it stands may be connected to: their own machine and networks
/// may, but never those where clouds keep their credentials.
pub(super) fn may_be_named(address: IpAddr, networks: &Networks) -> bool {
    let address = led_to(address);
    let mine = match address {
        IpAddr::V4(v4) => !v4.is_unspecified() && !v4.is_broadcast() && !v4.is_multicast(),
        IpAddr::V6(v6) => !v6.is_unspecified() && !v6.is_multicast(),
    };
    !is_reserved(address) && (mine || networks.allow(address))
}

/// Where a connection to this address ends: some addresses of IPv6 only wrap one of IPv4, which a gateway or the system
/// takes out again. They are IPv4-mapped and IPv4-compatible ones (RFC 4291 2.5.5), NAT64 (RFC 6052 2.1) and 6to4 (RFC 3056 2).
fn led_to(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let ipv4 = |bits: u128| IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(bits & u128::from(u32::MAX)).unwrap_or_default()));
    match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => ipv4(v6.to_bits()),
        // Not the unspecified address, and not loopback.
        [0, 0, 0, 0, 0, 0, ..] if v6.to_bits() > 1 => ipv4(v6.to_bits()),
        [0x2002, ..] => ipv4(v6.to_bits() >> 80),
        _ => address,
    }
}

/// What is never reached, whoever allows it: link-local addresses, and those at which clouds answer with credentials.
fn is_reserved(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local() || METADATA_V4.contains(&address),
        IpAddr::V6(address) => address.is_unicast_link_local() || METADATA_V6.contains(&address),
    }
}

/// Alibaba Cloud; Azure; Oracle Cloud. What most others have, 169.254.169.254, is link-local.
const METADATA_V4: [Ipv4Addr; 3] = [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(192, 0, 0, 192)];
/// Amazon; Google.
const METADATA_V6: [Ipv6Addr; 2] = [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];

fn contains(network: IpAddr, bits: u8, address: IpAddr) -> bool {
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            u32::from(network) & mask == u32::from(address) & mask
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            u128::from(network) & mask == u128::from(address) & mask
        }
        _ => false,
    }
}

/// The IANA special-purpose registries, read pessimistically.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || a == 0
        || a >= 224
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19)))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    // Only 2000::/3 is global unicast; of that, not what tunnels to an IPv4 address (6to4 was taken out before) or is for
    // documentation.
    segments[0] & 0xe000 == 0x2000
        && !(segments[0] == 0x2001 && segments[1] < 0x0200)
        && !(segments[0] == 0x2001 && segments[1] == 0x0db8)
        && !(segments[0] == 0x3fff && segments[1] < 0x1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_unless_the_operator_says_so() {
        let none = Networks::default();
        let house = Networks::try_from(vec!["10.1.0.0/16".to_owned(), "fd00::/8".to_owned()]).unwrap();
        for (address, public, in_house) in [
            ("1.1.1.1", true, true),
            ("2606:4700::1111", true, true),
            ("10.1.2.3", false, true),
            ("10.2.2.3", false, false),
            ("127.0.0.1", false, false),
            ("169.254.169.254", false, false),
            ("100.64.0.1", false, false),
            ("192.168.0.1", false, false),
            ("0.0.0.0", false, false),
            ("::1", false, false),
            ("::ffff:127.0.0.1", false, false),
            ("::ffff:1.1.1.1", true, true),
            ("64:ff9b::7f00:1", false, false),
            ("64:ff9b::101:101", true, true),
            ("64:ff9b::a01:203", false, true),
            ("64:ff9b::a9fe:a9fe", false, false),
            ("2002:7f00:1::", false, false),
            ("2002:a01:203::1", false, true),
            ("::10.2.2.3", false, false),
            ("::10.1.2.3", false, true),
            ("::", false, false),
            ("fd12::1", false, true),
            ("fe80::1", false, false),
        ] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!((none.allow(address), house.allow(address)), (public, in_house), "{address}");
        }
        assert!(may_be_named("127.0.0.1".parse().unwrap(), &none));
        for wrong in ["10.0.0.0", "10.0.0.0/33", "x/8", "::ffff:10.0.0.0/104"] {
            assert!(Networks::try_from(vec![wrong.to_owned()]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn where_clouds_keep_their_credentials_nobody_leads_however_it_is_written() {
        let everything = Networks::try_from(vec!["0.0.0.0/0".to_owned(), "::/0".to_owned()]).unwrap();
        for address in [
            "169.254.169.254",
            "fd00:ec2::254",
            "fd20:ce::254",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::169.254.169.254",
            "2002:a9fe:a9fe::",
            "64:ff9b::100.100.100.200",
            "fe80::1",
        ] {
            let address: IpAddr = address.parse().unwrap();
            assert!(!everything.allow(address) && !may_be_named(address, &everything), "{address}");
        }
    }
}
