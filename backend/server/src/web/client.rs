//! The address a request comes from, through proxies that are trusted.

use std::net::IpAddr;

use actix_web::HttpRequest;
use ipnet::IpNet;

use super::site::Site;

/// Returns the address of the client: the nearest one that is no trusted proxy.
pub(crate) fn client_addr(request: &HttpRequest, site: &Site) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip();
    let lines = request.headers().get_all("x-forwarded-for").filter_map(|value| value.to_str().ok());
    let forwarded: Vec<&str> = lines.flat_map(|line| line.split(',')).map(str::trim).collect();
    Some(nearest_untrusted(peer, &forwarded, site.trusted_proxies()))
}

/// Walks back from the connection: each proxy appended who had connected to it, so the last entries are the true ones.
fn nearest_untrusted(peer: IpAddr, forwarded: &[&str], trusted: &[IpNet]) -> IpAddr {
    let mut nearest = peer.to_canonical();
    for entry in forwarded.iter().rev() {
        if !trusted.iter().any(|network| network.contains(&nearest)) {
            return nearest;
        }
        let Ok(addr) = entry.parse::<IpAddr>() else { return nearest };
        nearest = addr.to_canonical();
    }
    nearest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let trusted: Vec<IpNet> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        nearest_untrusted(peer.parse().unwrap(), forwarded, &trusted).to_string()
    }

    #[test]
    fn without_trusted_proxies_nothing_is_believed() {
        assert_eq!(walk("192.0.2.1", &["198.51.100.9"], &[]), "192.0.2.1");
    }

    #[test]
    fn what_a_trusted_proxy_appended_is_believed_and_what_the_client_wrote_is_not() {
        assert_eq!(walk("10.0.0.2", &["203.0.113.1", "198.51.100.9"], &["10.0.0.0/8"]), "198.51.100.9");
        assert_eq!(walk("10.0.0.2", &["198.51.100.9", "10.0.0.3"], &["10.0.0.0/8"]), "198.51.100.9");
        assert_eq!(walk("::ffff:10.0.0.2", &["198.51.100.9"], &["10.0.0.0/8"]), "198.51.100.9");
    }

    #[test]
    fn nonsense_stops_the_walk() {
        assert_eq!(walk("10.0.0.2", &["198.51.100.9", "unknown"], &["10.0.0.0/8"]), "10.0.0.2");
        assert_eq!(walk("10.0.0.2", &[], &["10.0.0.0/8"]), "10.0.0.2");
    }
}
