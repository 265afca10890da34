//! Published ports in Compose's short syntax (Compose specification, "ports", short syntax).

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A port of a container that is published on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PortBinding {
    /// The port inside.
    pub container: u16,
    /// What is spoken.
    pub protocol: Protocol,
    /// The address of the host that it is bound to.
    pub address: IpAddr,
    /// The port of the host; the engine picks one where there is none.
    pub host: Option<u16>,
}

/// What is spoken on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP
    Tcp,
    /// UDP
    Udp,
    /// SCTP
    Sctp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

impl PortBinding {
    /// Whether both claim the same port of the host.
    pub fn clashes_with(&self, other: &Self) -> bool {
        let everywhere = |address: IpAddr| address.is_unspecified();
        self.host.is_some()
            && self.host == other.host
            && self.protocol == other.protocol
            && (self.address == other.address || everywhere(self.address) || everywhere(other.address))
    }

    /// What of the host is claimed, as people write it: `127.0.0.1:8080/tcp`.
    pub fn host_side(&self) -> String {
        let port = self.host.map_or("*".to_owned(), |port| port.to_string());
        format!("{}:{port}/{}", bracketed(self.address), self.protocol)
    }
}

impl fmt::Display for PortBinding {
    /// `127.0.0.1:8080:80/tcp`, which reads back as the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", bracketed(self.address))?;
        if let Some(host) = self.host {
            write!(f, "{host}")?;
        }
        write!(f, ":{}/{}", self.container, self.protocol)
    }
}

fn bracketed(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

/// Reads `[[address:]host:]container[/protocol]`, where host and container may be ranges of one length.
pub(super) fn parse_ports(text: &str) -> Result<BTreeSet<PortBinding>, String> {
    let (rest, protocol) = match text.split_once('/') {
        None | Some((_, "tcp")) => (text.split('/').next().unwrap_or(text), Protocol::Tcp),
        Some((rest, "udp")) => (rest, Protocol::Udp),
        Some((rest, "sctp")) => (rest, Protocol::Sctp),
        Some((_, other)) => return Err(format!("`{other}` is no protocol: expected `tcp`, `udp` or `sctp`")),
    };
    let (rest, container) = rest.rsplit_once(':').map_or((None, rest), |(rest, container)| (Some(rest), container));
    let (address, host) = match rest {
        None => (None, None),
        Some(rest) => match rest.rsplit_once(':') {
            Some((address, host)) => (Some(address), Some(host).filter(|host| !host.is_empty())),
            None => (None, Some(rest)),
        },
    };
    let address = address.map_or(Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)), parse_address)?;
    let container = parse_range(container)?;
    let host = host.map(parse_range).transpose()?;
    if let Some(host) = &host
        && host.len() != container.len()
    {
        return Err("the two ranges are not of one length".to_owned());
    }
    let binding = |(i, port): (usize, u16)| PortBinding {
        container: port,
        protocol,
        address,
        host: host
            .as_ref()
            .map(|host| host.start() + u16::try_from(i).expect("a range of ports is at most 65535 long")),
    };
    Ok(container.enumerate().map(binding).collect())
}

fn parse_address(text: &str) -> Result<IpAddr, String> {
    let bracketed = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    let address = match bracketed {
        Some(inner) => inner.parse::<Ipv6Addr>().map(IpAddr::V6).ok(),
        None => text.parse::<Ipv4Addr>().map(IpAddr::V4).ok(),
    };
    address.ok_or_else(|| format!("`{text}` is no IP address; IPv6 is written in brackets, as in `[::1]:80:80`"))
}

/// Reads one port.
pub(super) fn parse_port(text: &str) -> Result<u16, String> {
    match text.parse::<u16>() {
        Ok(port) if port > 0 && !text.starts_with('+') => Ok(port),
        _ => Err(format!("`{text}` is no port: expected a number from 1 to 65535")),
    }
}

fn parse_range(text: &str) -> Result<std::ops::RangeInclusive<u16>, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (parse_port(first)?, parse_port(last)?);
    if first > last {
        return Err(format!("the range `{text}` is upside down"));
    }
    Ok(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        match parse_ports(text) {
            Ok(ports) => ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            Err(why) => format!("error: {why}"),
        }
    }

    #[test]
    fn short_syntax_is_read() {
        for (text, expected) in [
            ("80", "127.0.0.1::80/tcp"),
            ("8080:80", "127.0.0.1:8080:80/tcp"),
            ("53:53/udp", "127.0.0.1:53:53/udp"),
            ("0.0.0.0:8080:80", "0.0.0.0:8080:80/tcp"),
            ("0.0.0.0::80", "0.0.0.0::80/tcp"),
            ("[::1]:8080:80/tcp", "[::1]:8080:80/tcp"),
            ("8000-8002:80-82", "127.0.0.1:8000:80/tcp 127.0.0.1:8001:81/tcp 127.0.0.1:8002:82/tcp"),
            ("65535:65535", "127.0.0.1:65535:65535/tcp"),
            ("", "error: `` is no port: expected a number from 1 to 65535"),
            ("0:80", "error: `0` is no port: expected a number from 1 to 65535"),
            ("80:65536", "error: `65536` is no port: expected a number from 1 to 65535"),
            ("80:80/icmp", "error: `icmp` is no protocol: expected `tcp`, `udp` or `sctp`"),
            ("9-8:80", "error: the range `9-8` is upside down"),
            ("8000-8001:80", "error: the two ranges are not of one length"),
            (
                "localhost:80:80",
                "error: `localhost` is no IP address; IPv6 is written in brackets, as in `[::1]:80:80`",
            ),
        ] {
            assert_eq!(read(text), expected, "{text}");
            if !expected.starts_with("error") {
                assert!(expected.split(' ').all(|port| read(port) == port), "{text} reads back");
            }
        }
    }

    #[test]
    fn a_port_of_the_host_is_claimed_once() {
        let port = |text: &str| parse_ports(text).unwrap().pop_first().unwrap();
        assert!(port("80:1").clashes_with(&port("80:2")));
        assert!(port("0.0.0.0:80:1").clashes_with(&port("80:2")));
        assert!(!port("127.0.0.2:80:1").clashes_with(&port("80:2")));
        assert!(!port("80:1/udp").clashes_with(&port("80:1")));
        assert!(!port("80").clashes_with(&port("80")));
    }
}
