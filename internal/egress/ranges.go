package egress

import (
	"net/netip"
)

// special are the ranges no request may reach unless the operator allows them: every block of the IANA
// special-purpose registries that is not globally reachable, multicast, reserved space, and the deprecated forms that wrap
// an IPv4 address.
//
// Source: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890 and updates); spec federation 1 [N].
var special = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
	"192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
	"224.0.0.0/4", "240.0.0.0/4",
	"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
)

// global is the only IPv6 space that is routed; everything outside it is refused, which covers loopback,
// unique local, link local, multicast, discard-only, local NAT64 and segment routing blocks alike.
var global = netip.MustParsePrefix("2000::/3")

// nat64 wraps an IPv4 address that a gateway will unwrap.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// metadata are the addresses at which clouds hand out credentials. No configuration allows them.
var metadata = prefixes(
	"169.254.169.254/32", "169.254.170.2/32", "169.254.170.23/32", "100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32",
	"fd00:ec2::254/128", "fd00:ec2::23/128", "fd20:ce::254/128",
)

func prefixes(ss ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(ss))
	for i, s := range ss {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

func within(addr netip.Addr, ranges []netip.Prefix) bool {
	for _, p := range ranges {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// public reports whether a is globally reachable. The zone is ignored; mapped and NAT64 forms are judged by
// the IPv4 address inside.
func public(a netip.Addr) bool {
	a = plain(a)
	if a.Is4() {
		return !within(a, special)
	}
	return global.Contains(a) && !within(a, special) && !isatapPrivate(a)
}

// plain returns the address a packet to a would finally reach, without zone: ::ffff:10.0.0.1 and
// 64:ff9b::10.0.0.1 are both 10.0.0.1.
func plain(a netip.Addr) netip.Addr {
	a = a.WithZone("").Unmap()
	if a.Is6() && nat64.Contains(a) {
		b := a.As16()
		return netip.AddrFrom4([4]byte(b[12:]))
	}
	return a
}

// isatapPrivate reports whether a's interface id wraps an IPv4 address that is not public (RFC 5214).
func isatapPrivate(a netip.Addr) bool {
	b := a.As16()
	if b[8]&^0x02 != 0 || b[9] != 0 || b[10] != 0x5e || b[11] != 0xfe {
		return false
	}
	return within(netip.AddrFrom4([4]byte(b[12:])), special)
}
