//! Which addresses are anybody's.

use std::net::IpAddr;

/// Looks at what a name resolves to before anybody connects there.
///
/// # Errors
/// When one of them is no public address.
pub(super) fn all_public(mut addresses: impl Iterator<Item = IpAddr>) -> Result<(), String> {
    match addresses.find(|address| !is_public(*address)) {
        Some(address) => Err(format!("{address} is no public address, and `[notify] refuse_private` is set")),
        None => Ok(()),
    }
}

/// Whether an address is one of the Internet's: not of this machine, a local network, or a special purpose.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [first, second, third, _] = address.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            let is_for_protocols = (first, second, third) == (192, 0, 0);
            let is_for_benchmarks = first == 198 && second & 0xfe == 18;
            !(address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_multicast()
                || address.is_documentation()
                || first == 0
                || first >= 240
                || is_shared
                || is_for_protocols
                || is_for_benchmarks)
        }
        IpAddr::V6(address) => {
            let [first, second, ..] = address.segments();
            let is_global_unicast = first & 0xe000 == 0x2000;
            let is_documentation = (first, second) == (0x2001, 0xdb8);
            // 6to4 and NAT64 lead to whatever IPv4 address is in them.
            is_global_unicast && !is_documentation && first != 0x2002
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses_are_told_from_all_others() {
        for address in [
            "8.8.8.8",
            "192.169.1.1",
            "172.32.0.1",
            "100.128.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "2606:4700::1111",
            "2001:db9::1",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "192.0.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "198.19.255.255",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "2002:a00:1::",
            "2001:db8::1",
            "64:ff9b::a00:1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }
}
