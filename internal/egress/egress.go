// Package egress is the only way out: every connection Concord opens to an address that somebody else chose
// (a site's endpoint, a document's url, a redirect) is checked at the moment of connecting, on the address the
// name resolved to. It is always on; what lies in private space is reached only when the operator names it.
//
// It knows nothing of FHIR or of sites. Errors never quote a URL, a name or an address.
//
// Source: spec federation 1 (lessons, [N]) and 2.9; OWASP SSRF prevention.
package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The ways a request can fail before there is an answer. Everything else that fails is ErrBroken.
var (
	// ErrBlocked means the guard refused: the address, the scheme, the form of the URL or a redirect. Trying
	// again is pointless.
	ErrBlocked = errors.New("egress: destination not allowed")
	// ErrConnect means that no connection came about, so nothing was sent: trying again is safe.
	ErrConnect = errors.New("egress: no connection")
	// ErrBroken means the connection failed or was not understood after something may have been sent.
	ErrBroken = errors.New("egress: connection broken")
)

const (
	maxRedirects = 3 // how far a GET follows
	maxAddresses = 4 // how many addresses of one name are tried
)

// Options say what a Guard allows and how long it waits. The zero Options allow the public internet over
// HTTPS and nothing else.
type Options struct {
	// Allow lists destinations in private space that may be reached, and any that may be reached without
	// TLS: "host:port", "address:port" or a CIDR block ("10.20.0.0/16"). A host is compared as written in the
	// URL. Cloud metadata addresses stay refused whatever stands here.
	Allow []string
	// Resolve looks a host up; nil is the system's resolver.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	// Connect bounds one connection attempt, Header the wait for an answer's header; 0 means 2 s and 5 s.
	Connect, Header time.Duration
	// TLS, if set, is used for the connections (roots, client certificates); its MinVersion is raised to 1.2.
	TLS *tls.Config
	// PerHost bounds connections to one host; 0 means 32.
	PerHost int
}

// A Guard makes clients that reach only what is allowed. It is safe for use by many goroutines.
type Guard struct {
	hosts     map[string]bool // "host:port"
	blocks    []netip.Prefix
	resolve   func(ctx context.Context, host string) ([]netip.Addr, error)
	dialer    net.Dialer
	transport *http.Transport
}

// New returns a Guard. An entry of o.Allow that is none of the three forms is an error.
func New(o Options) (*Guard, error) {
	if o.Connect == 0 {
		o.Connect = 2 * time.Second
	}
	if o.Header == 0 {
		o.Header = 5 * time.Second
	}
	if o.PerHost == 0 {
		o.PerHost = 32
	}
	g := &Guard{hosts: map[string]bool{}, resolve: o.Resolve, dialer: net.Dialer{Timeout: o.Connect, KeepAlive: 30 * time.Second}}
	if g.resolve == nil {
		g.resolve = systemResolve
	}
	for i, entry := range o.Allow {
		if block, err := netip.ParsePrefix(entry); err == nil {
			g.blocks = append(g.blocks, block.Masked())
			continue
		}
		host, port, err := net.SplitHostPort(entry)
		if _, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil || !plainHost(strings.ToLower(host)) {
			return nil, fmt.Errorf("egress: allow[%d] must be host:port or a CIDR block", i)
		}
		g.hosts[net.JoinHostPort(strings.ToLower(host), port)] = true
	}
	conf := &tls.Config{}
	if o.TLS != nil {
		conf = o.TLS.Clone()
	}
	conf.MinVersion = max(conf.MinVersion, tls.VersionTLS12)
	conf.InsecureSkipVerify = false
	g.dialer.ControlContext = g.control
	g.transport = &http.Transport{
		Proxy:                  nil, // a proxy from the environment would connect for us, unchecked
		DialContext:            g.dial,
		TLSClientConfig:        conf,
		TLSHandshakeTimeout:    5 * time.Second,
		ResponseHeaderTimeout:  o.Header,
		IdleConnTimeout:        30 * time.Second,
		MaxIdleConns:           4096,
		MaxIdleConnsPerHost:    o.PerHost,
		MaxConnsPerHost:        o.PerHost,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true, // bytes are verified as sent; nothing is unpacked here
		ForceAttemptHTTP2:      true,
	}
	return g, nil
}

func systemResolve(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// Close ends idle connections.
func (g *Guard) Close() { g.transport.CloseIdleConnections() }

// allowed reports whether a connection to addr, asked for as host:port, may be opened.
func (g *Guard) allowed(named string, addr netip.AddrPort) bool {
	a := plain(addr.Addr())
	switch {
	case within(a, metadata):
		return false
	case public(addr.Addr()):
		return true
	case g.hosts[named], g.hosts[netip.AddrPortFrom(a, addr.Port()).String()]:
		return true
	default:
		return within(a, g.blocks)
	}
}

// dialledKey carries the name a dial was asked for down to control.
type dialledKey struct{}

// dial resolves the name once and tries each address that may be reached; control checks again what the
// socket is really told to connect to.
func (g *Guard) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, ErrBlocked
	}
	named := net.JoinHostPort(strings.ToLower(host), port)
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, ErrBlocked
	}
	addrs := []netip.Addr{}
	if a, err := netip.ParseAddr(host); err == nil {
		addrs = append(addrs, a)
	} else if addrs, err = g.lookup(ctx, host); err != nil {
		return nil, err
	}
	ctx = context.WithValue(ctx, dialledKey{}, named)
	last := ErrBlocked
	for _, a := range addrs[:min(len(addrs), maxAddresses)] {
		to := netip.AddrPortFrom(a, uint16(number))
		if !g.allowed(named, to) {
			continue
		}
		conn, err := g.dialer.DialContext(ctx, network, to.String())
		if err == nil {
			return conn, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if !errors.Is(err, ErrBlocked) {
			last = ErrConnect
		}
	}
	return nil, last
}

func (g *Guard) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, g.dialer.Timeout)
	defer cancel()
	addrs, err := g.resolve(ctx, host)
	if err != nil || len(addrs) == 0 {
		return nil, ErrConnect
	}
	return addrs, nil
}

// control runs when the socket exists and its address is settled, just before connect.
func (g *Guard) control(ctx context.Context, _, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	named, _ := ctx.Value(dialledKey{}).(string)
	if err != nil || !g.allowed(named, to) {
		return ErrBlocked
	}
	return nil
}

// CheckURL reports whether u may be asked at all: http or https, a host that is a name or a plainly written
// address, no user information. Plain http is for destinations the operator allowed by name. It returns ErrBlocked
// or nil; the address is checked when connecting.
func (g *Guard) CheckURL(u *url.URL) error {
	host := strings.ToLower(u.Hostname())
	if (u.Scheme != "http" && u.Scheme != "https") || u.User != nil || u.Opaque != "" || !plainHost(host) {
		return ErrBlocked
	}
	if u.Scheme == "https" || g.hosts[net.JoinHostPort(host, portOf(u))] {
		return nil
	}
	if a, err := netip.ParseAddr(host); err == nil && within(plain(a), g.blocks) {
		return nil
	}
	return ErrBlocked
}

func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	default:
		return "80"
	}
}

// plainHost refuses the disguises of an address: decimal, octal, hexadecimal and short forms, which some
// resolvers turn into one. A host whose last label is a number is an IPv4 address or nothing.
//
// Source: WHATWG URL, "ends in a number".
func plainHost(host string) bool {
	if host == "" || len(host) > 253 {
		return false
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	for _, r := range host {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '.' && r != '_' {
			return false
		}
	}
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	last := labels[len(labels)-1]
	if _, err := strconv.ParseUint(last, 0, 64); err == nil || strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") {
		return false
	}
	return true
}
