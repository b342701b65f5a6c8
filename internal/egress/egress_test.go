package egress

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func guard(t *testing.T, o Options) *Guard {
	t.Helper()
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

func get(t *testing.T, g *Guard, target string) error {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, target, nil)
	if err != nil {
		return ErrBlocked // a URL Go cannot read never leaves
	}
	resp, err := g.Do(req)
	if err == nil {
		_ = resp.Body.Close()
	}
	return err
}

func TestOnlyGloballyReachableAddressesArePublic(t *testing.T) {
	for _, tt := range []struct {
		addr string
		want bool
	}{
		{"8.8.8.8", true}, {"1.1.1.1", true}, {"172.15.255.255", true}, {"172.32.0.1", true}, {"192.31.196.1", true},
		{"100.63.255.255", true}, {"100.128.0.0", true}, {"198.17.255.255", true}, {"223.255.255.255", true},
		{"0.0.0.0", false}, {"0.1.2.3", false}, {"10.0.0.1", false}, {"100.64.0.1", false}, {"127.0.0.1", false},
		{"127.255.255.254", false}, {"169.254.1.1", false}, {"169.254.169.254", false}, {"172.16.0.1", false},
		{"172.31.255.255", false}, {"192.0.0.8", false}, {"192.0.2.1", false}, {"192.88.99.1", false}, {"192.168.1.1", false},
		{"198.18.0.1", false}, {"198.19.255.255", false}, {"198.51.100.7", false}, {"203.0.113.9", false},
		{"224.0.0.1", false}, {"239.255.255.255", false}, {"240.0.0.1", false}, {"255.255.255.255", false},
		{"2606:4700:4700::1111", true}, {"2a00:1450::1", true}, {"2620:4f:8000::1", true},
		{"::", false}, {"::1", false}, {"::10.0.0.1", false}, {"::ffff:10.0.0.1", false}, {"::ffff:127.0.0.1", false},
		{"::ffff:8.8.8.8", true}, {"::ffff:0:127.0.0.1", false}, {"64:ff9b::7f00:1", false}, {"64:ff9b::808:808", true},
		{"64:ff9b::a9fe:a9fe", false}, {"64:ff9b:1::808:808", false}, {"100::1", false}, {"2001::1", false}, {"2001:1ff::1", false},
		{"2001:db8::1", false}, {"2002:7f00:1::", false}, {"2002:808:808::", false}, {"3fff::1", false}, {"5f00::1", false},
		{"fc00::1", false}, {"fd00:ec2::254", false}, {"fe80::1", false}, {"fe80::1%eth0", false}, {"fec0::1", false}, {"ff02::1", false},
		{"2a00:1450::5efe:10.0.0.1", false}, {"2a00:1450::200:5efe:192.168.0.1", false}, {"2a00:1450::5efe:8.8.8.8", true},
	} {
		if got := public(netip.MustParseAddr(tt.addr)); got != tt.want {
			t.Errorf("public(%s) = %v, want %v", tt.addr, got, tt.want)
		}
	}
}

func TestMetadataIsRefusedWhateverIsAllowed(t *testing.T) {
	g := guard(t, Options{Allow: []string{"0.0.0.0/0", "::/0", "169.254.169.254:80", "metadata.internal:80"},
		Resolve: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("169.254.169.254")}, nil
		}})
	for _, target := range []string{
		"http://169.254.169.254/latest/meta-data/", "http://[::ffff:169.254.169.254]/", "http://[64:ff9b::a9fe:a9fe]/",
		"http://metadata.internal/", "http://[fd00:ec2::254]/", "http://168.63.129.16/", "http://100.100.100.200/",
	} {
		if err := get(t, g, target); !errors.Is(err, ErrBlocked) {
			t.Errorf("%s: %v, want ErrBlocked", target, err)
		}
	}
}

// trap is a listener on loopback that must never be reached.
func trap(t *testing.T) (port string, reached *atomic.Int64) {
	t.Helper()
	reached = new(atomic.Int64)
	inner := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = inner.Listener.Close()
	inner.Listener = &countingListener{Listener: ln, n: reached}
	inner.Start()
	t.Cleanup(inner.Close)
	_, port, _ = net.SplitHostPort(ln.Addr().String())
	return port, reached
}

type countingListener struct {
	net.Listener
	n *atomic.Int64
}

func (l *countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.n.Add(1)
	}
	return c, err
}

func TestNoDisguiseOfALoopbackAddressIsConnectedTo(t *testing.T) {
	port, reached := trap(t)
	private := func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::ffff:127.0.0.1"), netip.MustParseAddr("0.0.0.0")}, nil
	}
	g := guard(t, Options{Resolve: private})
	for _, host := range []string{
		"127.0.0.1", "localhost", "0.0.0.0", "0", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001", "127.1", "127.0.1",
		"[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "rebind.example", "LOCALHOST.",
		"user@127.0.0.1", "127.0.0.1.", "①②⑦.⓪.⓪.①", "[fe80::1%25lo]",
	} {
		for _, scheme := range []string{"http", "https"} {
			if err := get(t, g, scheme+"://"+host+":"+port+"/"); !errors.Is(err, ErrBlocked) {
				t.Errorf("%s://%s: %v, want ErrBlocked", scheme, host, err)
			}
		}
	}
	for _, target := range []string{"file:///etc/passwd", "gopher://127.0.0.1:" + port, "ftp://example.org", "unix:/var/run/x", "//127.0.0.1:" + port, "/relative"} {
		if err := get(t, g, target); !errors.Is(err, ErrBlocked) {
			t.Errorf("a scheme other than http and https: %v, want ErrBlocked", err)
		}
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("the trap was connected to %d times", n)
	}
}

func TestAResolverThatChangesItsMindIsCaughtAtTheSocket(t *testing.T) {
	port, reached := trap(t)
	calls := 0
	g := guard(t, Options{Resolve: func(context.Context, string) ([]netip.Addr, error) {
		calls++
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil // the second answer of a rebinding name
	}})
	// The name passes every check of the URL; what counts is what it resolves to when connecting.
	u, err := url.Parse("https://rebind.example:" + port)
	if err != nil || g.CheckURL(u) != nil {
		t.Fatalf("the name itself is in order: %v", err)
	}
	if err := get(t, g, u.String()); !errors.Is(err, ErrBlocked) || calls != 1 || reached.Load() != 0 {
		t.Errorf("got %v after %d lookups and %d connections; want ErrBlocked, 1, 0", err, calls, reached.Load())
	}
	if err := g.control(context.Background(), "tcp4", "127.0.0.1:"+port, nil); !errors.Is(err, ErrBlocked) {
		t.Errorf("the socket's own check: %v, want ErrBlocked", err)
	}
}

func TestWhatTheOperatorNamesIsReached(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	t.Cleanup(srv.Close)
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	loop := func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}
	for _, tt := range []struct {
		name, allow, host string
		want              error
	}{
		{"an address and port", "127.0.0.1:" + port, "127.0.0.1", nil},
		{"a block", "127.0.0.0/8", "127.0.0.1", nil},
		{"a host and port", "site.demo:" + port, "site.demo", nil},
		{"a host in other letters", "Site.Demo:" + port, "SITE.demo", nil},
		{"another port", "127.0.0.1:1", "127.0.0.1", ErrBlocked},
		{"another host", "site.demo:" + port, "other.demo", ErrBlocked},
		{"another block", "127.1.0.0/16", "127.0.0.1", ErrBlocked},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := guard(t, Options{Allow: []string{tt.allow}, Resolve: loop})
			if err := get(t, g, "http://"+tt.host+":"+port); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	for _, bad := range []string{"127.0.0.1", "site", "*:80", "http://x:80", "1.2.3.4/99", ":80", "x:99999"} {
		if _, err := New(Options{Allow: []string{bad}}); err == nil {
			t.Errorf("allow entry %q was accepted", bad)
		}
	}
}

func TestRedirectsAreFollowedOnlyWhereTheFirstRequestMightHaveGone(t *testing.T) {
	port, reached := trap(t)
	var target string
	var sawAuth atomic.Bool
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		sawAuth.Store(r.Header.Get("Authorization") != "" || r.Header.Get("Referer") != "")
	}))
	t.Cleanup(other.Close)
	hops := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/loop" {
			hops++
			http.Redirect(w, r, "/loop", http.StatusFound)
			return
		}
		http.Redirect(w, r, target, http.StatusTemporaryRedirect)
	}))
	t.Cleanup(srv.Close)
	g := guard(t, Options{Allow: []string{srv.Listener.Addr().String(), other.Listener.Addr().String()}})

	target = "http://127.0.0.1:" + port + "/"
	if err := get(t, g, srv.URL); !errors.Is(err, ErrBlocked) || reached.Load() != 0 {
		t.Errorf("redirect to a private address: %v, %d connections; want ErrBlocked, 0", err, reached.Load())
	}
	target = "http://169.254.169.254/latest/meta-data"
	if err := get(t, g, srv.URL); !errors.Is(err, ErrBlocked) {
		t.Errorf("redirect to metadata: %v, want ErrBlocked", err)
	}
	if err := get(t, g, srv.URL+"/loop"); !errors.Is(err, ErrBlocked) || hops != maxRedirects+1 {
		t.Errorf("endless redirects: %v after %d requests; want ErrBlocked after %d", err, hops, maxRedirects+1)
	}
	target = other.URL + "/elsewhere"
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer site-secret")
	resp, err := g.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if sawAuth.Load() {
		t.Error("the site's credential or its address was shown to another origin")
	}
	req, err = http.NewRequestWithContext(context.Background(), http.MethodPost, srv.URL, strings.NewReader("patient.identifier=x"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err = g.Do(req)
	if err != nil || resp.StatusCode != http.StatusTemporaryRedirect {
		t.Fatalf("a POST: %v, want the redirect itself", err)
	}
	_ = resp.Body.Close()
}

func TestHTTPSDoesNotFallBackToHTTP(t *testing.T) {
	plainSrv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the plain server was reached") }))
	t.Cleanup(plainSrv.Close)
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, plainSrv.URL, http.StatusFound)
	}))
	t.Cleanup(srv.Close)
	g := guard(t, Options{Allow: []string{srv.Listener.Addr().String(), plainSrv.Listener.Addr().String()},
		TLS: srv.Client().Transport.(*http.Transport).TLSClientConfig})
	if err := get(t, g, srv.URL); !errors.Is(err, ErrBlocked) {
		t.Errorf("got %v, want ErrBlocked", err)
	}
}

func TestATransportFaultIsToldByKindAndQuotesNothing(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := ln.Addr().String()
	_ = ln.Close()
	garbage := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_, _ = io.WriteString(conn, "SSH-2.0-zyxquill\r\n")
			_ = conn.Close()
		}
	}))
	t.Cleanup(garbage.Close)
	hung := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(hung.Close)
	g := guard(t, Options{Allow: []string{"127.0.0.0/8"}, Header: 100 * time.Millisecond})
	for _, tt := range []struct {
		name, target string
		want         error
	}{
		{"nobody listens", "http://" + closed + "/zyxquill", ErrConnect},
		{"not HTTP", garbage.URL + "/zyxquill", ErrBroken},
		{"no header in time", hung.URL + "/zyxquill", ErrBroken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := get(t, g, tt.target)
			if !errors.Is(err, tt.want) || strings.Contains(err.Error(), "zyxquill") || strings.Contains(err.Error(), "127.") {
				t.Errorf("got %v, want %v and no address", err, tt.want)
			}
		})
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, hung.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := g.Do(req); !errors.Is(err, context.DeadlineExceeded) {
		if resp != nil {
			_ = resp.Body.Close()
		}
		t.Errorf("the caller's deadline: %v, want DeadlineExceeded", err)
	}
}

func FuzzCheckURL(f *testing.F) {
	for _, s := range []string{"http://127.0.0.1/", "https://0x7f.1", "https://a@b", "https://[::1%25lo]:1/"} {
		f.Add(s)
	}
	g, err := New(Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := url.Parse(s)
		if err != nil || g.CheckURL(u) != nil {
			return
		}
		if u.Scheme != "https" || u.User != nil {
			t.Errorf("a URL other than plain https passed")
		}
		if a, err := netip.ParseAddr(u.Hostname()); err == nil && g.allowed(u.Host, netip.AddrPortFrom(a, 443)) != (public(a) && !within(plain(a), metadata)) {
			t.Errorf("an address was judged differently when written in a URL")
		}
	})
}
