//! Blocks of addresses: reading them, and which addresses are public.
//!
//! No name is looked up here, and nothing is connected to.
//!
//! Sources: RFC 4632 (CIDR); the IANA IPv4 and IPv6 special-purpose address registries (RFC 6890); RFC 5771, RFC 4291 (multicast,
//! global unicast).

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// A block of addresses, such as `10.0.0.0/8` or `fd00::/8`; one address is a block, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// Why a text is no block of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkFault {
    /// What stands before the slash is no address.
    #[error("not an address")]
    Address,
    /// What stands behind it is no length of a prefix of that kind of address.
    #[error("not the length of a prefix")]
    Prefix,
    /// Bits behind the prefix are set: the writer may mean another block.
    #[error("bits behind the prefix are set")]
    Bits,
}

impl Network {
    /// Whether an address is in the block. An IPv4 address in the form of IPv6 counts as what it stands for.
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => (own.to_bits() ^ other.to_bits()) & mask_v4(self.prefix) == 0,
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits() ^ other.to_bits()) & mask_v6(self.prefix) == 0,
            // A block of IPv4 addresses in the form of IPv6.
            (IpAddr::V6(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_ipv6_mapped().to_bits()) & mask_v6(self.prefix) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) => false,
        }
    }

    const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Self {
        Self { address: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix }
    }

    const fn v6(a: u16, b: u16, c: u16, prefix: u8) -> Self {
        Self { address: IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)), prefix }
    }
}

/// IPv4 addresses that lead somewhere else than to a host of the public Internet.
const SPECIAL_V4: [Network; 17] = [
    Network::v4(0, 0, 0, 0, 8),          // this network (RFC 791): Linux connects to itself
    Network::v4(10, 0, 0, 0, 8),         // private (RFC 1918)
    Network::v4(100, 64, 0, 0, 10),      // behind a carrier's NAT (RFC 6598); the metadata of one cloud
    Network::v4(127, 0, 0, 0, 8),        // loopback (RFC 1122)
    Network::v4(168, 63, 129, 16, 32),   // the host of a virtual machine in one cloud, though of a public block
    Network::v4(169, 254, 0, 0, 16),     // link-local (RFC 3927); the metadata of most clouds
    Network::v4(172, 16, 0, 0, 12),      // private (RFC 1918)
    Network::v4(192, 0, 0, 0, 24),       // protocol assignments (RFC 6890); the metadata of one cloud
    Network::v4(192, 0, 2, 0, 24),       // documentation (RFC 5737)
    Network::v4(192, 88, 99, 0, 24),     // relays of 6to4 (RFC 7526)
    Network::v4(192, 168, 0, 0, 16),     // private (RFC 1918)
    Network::v4(198, 18, 0, 0, 15),      // benchmarking (RFC 2544)
    Network::v4(198, 51, 100, 0, 24),    // documentation (RFC 5737)
    Network::v4(203, 0, 113, 0, 24),     // documentation (RFC 5737)
    Network::v4(224, 0, 0, 0, 4),        // multicast (RFC 5771)
    Network::v4(240, 0, 0, 0, 4),        // reserved (RFC 1112)
    Network::v4(255, 255, 255, 255, 32), // everybody here (RFC 8190)
];

/// All that is global unicast in IPv6 (RFC 4291 section 2.4, IANA's assignments). Loopback, unique local, link-local, site-local and
/// multicast addresses lie outside, and so do the IPv4 addresses in IPv6 form: compatible, mapped, and those of a NAT64 (RFC 6052, 8215).
const UNICAST_V6: Network = Network::v6(0x2000, 0, 0, 3);

/// What is special inside of it.
const SPECIAL_V6: [Network; 4] = [
    Network::v6(0x2001, 0, 0, 23), // protocol assignments (RFC 2928): Teredo, benchmarking, ORCHID
    Network::v6(0x2001, 0xdb8, 0, 32), // documentation (RFC 3849)
    Network::v6(0x2002, 0, 0, 16), // 6to4: an IPv4 address of any kind (RFC 3056)
    Network::v6(0x3fff, 0, 0, 20), // documentation (RFC 9637)
];

/// Whether an address is one of the public Internet, whatever form it is written in.
pub fn is_public(address: IpAddr) -> bool {
    let is_in = |block: &Network| block.contains(address);
    match address {
        IpAddr::V4(_) => !SPECIAL_V4.iter().any(is_in),
        IpAddr::V6(_) => UNICAST_V6.contains(address) && !SPECIAL_V6.iter().any(is_in),
    }
}

impl FromStr for Network {
    type Err = NetworkFault;

    fn from_str(text: &str) -> Result<Self, NetworkFault> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| NetworkFault::Address)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => most,
            Some(prefix) => prefix.parse().ok().filter(|bits| *bits <= most).ok_or(NetworkFault::Prefix)?,
        };
        let has_bits_behind = match address {
            IpAddr::V4(address) => address.to_bits() & !mask_v4(prefix) != 0,
            IpAddr::V6(address) => address.to_bits() & !mask_v6(prefix) != 0,
        };
        if has_bits_behind { Err(NetworkFault::Bits) } else { Ok(Self { address, prefix }) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

fn mask_v4(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32_u32.saturating_sub(prefix.into())).unwrap_or(0)
}

fn mask_v6(prefix: u8) -> u128 {
    u128::MAX.checked_shl(128_u32.saturating_sub(prefix.into())).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both ends of each block, and their neighbours.
    const PUBLIC: &str =
        "1.0.0.0 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 168.63.129.15
        168.63.129.17 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0 192.0.3.0
        192.88.98.255 192.88.100.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 198.51.99.255 198.51.101.0
        203.0.112.255 203.0.114.0 223.255.255.255 8.8.8.8 2000:: 2001:200:: 2001:db7:ffff:: 2001:db9::
        2001:4860:4860::8888 2003:: 2606:4700::1111 3ffe::1 3fff:1000::";
    const SPECIAL: &str = "0.0.0.0 0.255.255.255 10.0.0.0 10.255.255.255 100.64.0.0 100.100.100.200 100.127.255.255
        127.0.0.1 127.255.255.255 168.63.129.16 169.254.0.0 169.254.169.254 169.254.255.255 172.16.0.0 172.31.255.255
        192.0.0.0 192.0.0.192 192.0.0.255 192.0.2.1 192.88.99.1 192.168.0.0 192.168.255.255 198.18.0.0
        198.19.255.255 198.51.100.9 203.0.113.9 224.0.0.1 239.255.255.255 240.0.0.0 255.255.255.255 :: ::1
        ::7f00:1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::ffff:0:8.8.8.8 64:ff9b::7f00:1 64:ff9b::8.8.8.8
        64:ff9b:1::1 100::1 1fff:ffff:: 2001::1 2001:2::1 2001:20::1 2001:1ff:ffff:: 2001:db8::1 2002:7f00:1::
        2002:808:808::1 3fff::1 3fff:fff:ffff::1 4000:: 5f00::1 fc00::1 fd00:ec2::254 fdff::1 fe80::1 febf::1
        fec0::1 ff02::1";

    #[test]
    fn tells_public_addresses_from_all_others() {
        for (addresses, expected) in [(PUBLIC, true), (SPECIAL, false)] {
            for address in addresses.split_whitespace() {
                assert_eq!(is_public(address.parse().unwrap()), expected, "{address}");
            }
        }
    }

    #[test]
    fn reads_blocks_and_what_is_in_them() {
        let cases = [
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1/32", "127.0.0.2", false),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true),
            ("::ffff:10.0.0.0/104", "10.0.0.1", true),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "fe80::1", false),
            ("::/0", "fe80::1", true),
            ("10.0.0.0/8", "fd00::1", false),
        ];
        for (block, address, expected) in cases {
            let block: Network = block.parse().unwrap();
            assert_eq!(block.contains(address.parse().unwrap()), expected, "{block} {address}");
        }
        let faults = [
            ("ten", NetworkFault::Address),
            ("10.0.0.0/33", NetworkFault::Prefix),
            ("10.0.0.0/", NetworkFault::Prefix),
            ("fd00::/129", NetworkFault::Prefix),
            ("10.0.0.1/8", NetworkFault::Bits),
        ];
        for (text, fault) in faults {
            assert_eq!(text.parse::<Network>(), Err(fault), "{text}");
        }
    }
}
