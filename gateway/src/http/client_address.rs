//! Where a request comes from, past the proxies that are trusted.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

/// Where a request comes from, past the proxies that are trusted.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddress(pub IpAddr);

/// Which entries of `X-Forwarded-For` are believed.
///
/// Each proxy appends the address that it was called from, so entries are believed from the right. Whatever is further left comes from
/// the client, who may write anything.
#[derive(Clone, Debug, Default)]
pub enum TrustedProxies {
    /// None: the other end of the connection is the client.
    #[default]
    None,
    /// As many as there are proxies, for where their addresses are not known. Whoever reaches the gateway past the proxies is believed
    /// too, so nobody else may reach it.
    Hops(usize),
    /// Those that were appended by somebody in these networks. Whoever else reaches the gateway is believed nothing.
    Networks(Vec<IpNet>),
}

impl TrustedProxies {
    /// Whether the other end of a connection may be a proxy, which speaks for many clients.
    #[must_use]
    pub fn may_be_proxy(&self, peer: IpAddr) -> bool {
        match self {
            Self::None | Self::Hops(0) => false,
            Self::Hops(_) => true,
            Self::Networks(networks) => {
                let peer = peer.to_canonical();
                networks.iter().any(|network| network.contains(&peer))
            }
        }
    }

    /// The address of the client.
    #[must_use]
    pub fn client_address(&self, peer: SocketAddr, headers: &HeaderMap) -> IpAddr {
        // ::ffff:192.0.2.1 is 192.0.2.1 on a socket for both kinds.
        let peer = peer.ip().to_canonical();
        let mut forwarded = headers
            .get_all("x-forwarded-for")
            .iter()
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
            .map(parse)
            .rev();
        match self {
            Self::None => peer,
            Self::Hops(hops) => hops
                .checked_sub(1)
                .and_then(|further| forwarded.nth(further))
                .flatten()
                .unwrap_or(peer),
            Self::Networks(networks) => {
                let is_trusted =
                    |address: &IpAddr| networks.iter().any(|network| network.contains(address));
                let mut client = peer;
                // What is no address ends the chain: nobody knows who wrote the entries before it.
                while is_trusted(&client) {
                    let Some(Some(address)) = forwarded.next() else {
                        break;
                    };
                    client = address;
                }
                client
            }
        }
    }
}

fn parse(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim();
    text.parse()
        .ok()
        .map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(proxies: &TrustedProxies, peer: &str, forwarded: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        let peer = SocketAddr::new(peer.parse().unwrap(), 1);
        proxies.client_address(peer, &headers).to_string()
    }

    #[test]
    fn hops_are_counted_from_the_right() {
        let forwarded = ["6.6.6.6, 192.0.2.1", "10.0.0.2"];
        let at = |hops| address(&TrustedProxies::Hops(hops), "10.0.0.1", &forwarded);
        assert_eq!(at(0), "10.0.0.1");
        assert_eq!(at(1), "10.0.0.2");
        assert_eq!(at(2), "192.0.2.1");
        assert_eq!(at(9), "10.0.0.1");
        assert_eq!(
            address(&TrustedProxies::None, "10.0.0.1", &forwarded),
            "10.0.0.1"
        );
    }

    #[test]
    fn only_who_is_in_a_trusted_network_is_believed() {
        let networks = ["10.0.0.0/8", "2001:db8::/32"].map(|network| network.parse().unwrap());
        let proxies = TrustedProxies::Networks(networks.into());
        for (peer, forwarded, client) in [
            // Somebody who goes past the proxies.
            ("198.51.100.7", &["192.0.2.1"][..], "198.51.100.7"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.1"], "192.0.2.1"),
            ("::ffff:10.0.0.1", &["192.0.2.1"], "192.0.2.1"),
            // Two proxies, and what the client made up before them.
            ("10.0.0.1", &["6.6.6.6, 192.0.2.1", "10.0.0.2"], "192.0.2.1"),
            ("2001:db8::1", &["6.6.6.6,2001:db9::1"], "2001:db9::1"),
            // All inside: the furthest is the client.
            ("10.0.0.1", &["10.1.2.3, 10.0.0.2"], "10.1.2.3"),
            // No address, no chain.
            ("10.0.0.1", &["192.0.2.1, unknown, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &[""], "10.0.0.1"),
        ] {
            assert_eq!(address(&proxies, peer, forwarded), client, "{forwarded:?}");
        }
    }
}
