package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/access/accesspg"
	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/directory/directorypg"
	"github.com/concord-hie/concord/internal/sim"
)

// say writes bytes to a fresh connection to the i-th node and returns all it answers until the node is silent for a
// moment or closes, and whether it closed.
func (x *exchangeUnderTest) say(i int, text string) (answer string, closed bool) {
	x.t.Helper()
	u, err := url.Parse(x.origins[i])
	if err != nil {
		x.t.Fatal(err)
	}
	c, err := net.Dial("tcp", u.Host)
	if err != nil {
		x.t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	go func() { _, _ = io.WriteString(c, text) }() // the node may close before all of it is read
	var got bytes.Buffer
	buf := make([]byte, 64<<10)
	for {
		_ = c.SetReadDeadline(time.Now().Add(silence))
		n, err := c.Read(buf)
		got.Write(buf[:n])
		if err != nil {
			var timeout net.Error
			return got.String(), !errors.As(err, &timeout) || !timeout.Timeout()
		}
	}
}

// silence is how long a node is given to say something more.
const silence = 700 * time.Millisecond

// statuses returns the status codes of the answers in a stream.
func statuses(stream string) []int {
	var out []int
	r := bufio.NewReader(strings.NewReader(stream))
	for {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			return out
		}
		_, _ = io.Copy(io.Discard, resp.Body) // a body cut short ends the stream
		_ = resp.Body.Close()
		out = append(out, resp.StatusCode)
	}
}

// smuggled is a request nobody may be made to send.
const smuggled = "GET /version HTTP/1.1\r\nHost: smuggled\r\n\r\n"

// TestAttacksOnTheNode tries the attacks of the federation specification that need a whole exchange or a bare socket.
//
// Source: spec federation 2.9.
func TestAttacksOnTheNode(t *testing.T) {
	x := newExchange(t, 3)
	maria := x.person(sim.Ordinary)
	x.enter(maria)
	slow := x.slowHeads(60)
	t.Run("one reading of each request", x.readsOnce)
	t.Run("headers that would change who asks or what for", x.trustsNoHeader)
	t.Run("pages of other sites", x.refusesOtherSites)
	t.Run("an assertion is worth one token on all nodes together", x.takesAssertionsOnce)
	t.Run("a cursor is its client's own, on every node", x.keepsCursorsApart)
	t.Run("heads that never end", func(t *testing.T) { x.endsSlowHeads(t, slow) })
	t.Run("a suspended client is out everywhere within a second", x.suspends)
	t.Run("so is a suspended organisation", x.suspendsOrganisations)
}

// readsOnce: what two readers could read in two ways is refused, or read in one way with nothing read after it.
func (x *exchangeUnderTest) readsOnce(t *testing.T) {
	const post, get = "POST /oauth/token HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n", "GET /livez HTTP/1.1\r\nHost: a\r\n"
	good, err := x.clients["harbor-main-feed"].api.token(x.ctx, feeding)
	if err != nil {
		t.Fatal(err)
	}
	const patients = "GET /fhir/Patient?family=x HTTP/1.1\r\nHost: a\r\n"
	for _, c := range []struct {
		name, text string
		want       []int // the statuses of all answers
		open       bool  // the connection may go on
	}{
		{"a good request", get + "\r\n", []int{200}, true},
		{"two good requests", get + "\r\n" + smuggled, []int{200, 200}, true},
		{"a length and chunks, one request hidden after the chunks", post + "Content-Length: 60\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, []int{400}, false},
		{"the same, folded", post + "Content-Length: 60\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + smuggled, []int{400}, false},
		{"chunks alone", post + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, []int{400}, false},
		{"two lengths", post + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef" + smuggled, []int{400}, false},
		{"a list of lengths", post + "Content-Length: 5, 5\r\n\r\nabcde" + smuggled, []int{400}, false},
		{"a length with a sign", post + "Content-Length: +5\r\n\r\nabcde" + smuggled, []int{400}, false},
		{"a folded length", post + "Content-Length: 5\r\n 0\r\n\r\nabcde" + smuggled, []int{400}, false},
		{"an unknown transfer encoding", post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + smuggled, []int{501}, false},
		{"two transfer encodings", post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + smuggled, []int{501}, false},
		{"a transfer encoding after a tab", post + "Transfer-Encoding:\tchunked\r\nContent-Length: 60\r\n\r\n0\r\n\r\n" + smuggled, []int{400}, false},
		{"a space before the colon", post + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + smuggled, []int{400}, false},
		{"chunks in HTTP/1.0", strings.Replace(post, "1.1", "1.0", 1) + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, []int{400}, false},
		{"a chunk that is longer than it says", post + "Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n" + smuggled, []int{400}, false},
		{"a line feed in a chunk's extension", post + "Transfer-Encoding: chunked\r\n\r\n5;a\nb\r\nabcde\r\n0\r\n\r\n" + smuggled, []int{400}, false},
		{"a carriage return in a header", get + "X-A: b\rX-B: c\r\n\r\n", []int{400}, false},
		{"a zero byte in a header", get + "X-A: b\x00c\r\n\r\n", []int{400}, false},
		{"a space in a header's name", get + "X A: b\r\n\r\n", []int{400}, false},
		{"a token folded into another header", patients + "X-A: b\r\n Authorization: Bearer " + good + "\r\n\r\n", []int{400}, false},
		{"a folded header, of no importance", get + "X-A: b\r\n c\r\n\r\n" + smuggled, []int{400}, false},
		{"a length and chunks where no body is read", get + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, []int{400}, false},
		{"a good request, then a length and chunks", get + "\r\n" + get + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled, []int{200, 400}, false},
		{"no host", "GET /livez HTTP/1.1\r\n\r\n", []int{400}, false},
		{"two hosts", get + "Host: b\r\n\r\n", []int{400}, false},
		{"a folded host", get[:len(get)-2] + "\r\n b\r\n\r\n", []int{400}, false},
		{"no version", "GET /livez\r\n\r\n", []int{400}, false},
		{"a version there is not", "GET /livez HTTP/9.9\r\nHost: a\r\n\r\n", []int{505}, false},
		{"HTTP/2 without TLS", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", []int{404}, false},
		{"an upgrade to HTTP/2", get + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n", []int{200}, true},
		{"a tunnel", "CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n", []int{404}, true},
		{"an echo", "TRACE /livez HTTP/1.1\r\nHost: a\r\nX-Secret: hush\r\n\r\n", []int{405}, true},
		{"a header of 80 KiB", get + "X-A: " + strings.Repeat("b", 80<<10) + "\r\n\r\n", []int{431}, false},
		{"9,000 headers", get + strings.Repeat("X-A: b\r\n", 9000) + "\r\n", []int{431}, false},
		{"a path of 80 KiB", "GET /livez?" + strings.Repeat("b", 80<<10) + " HTTP/1.1\r\nHost: a\r\n\r\n", []int{431}, false},
		{"a path of two slashes", strings.Replace(patients, "/fhir", "//fhir", 1) + "Authorization: Bearer " + good + "\r\n\r\n", []int{404}, true},
		{"a path that climbs, encoded", "GET /fhir/%2e%2e/version HTTP/1.1\r\nHost: a\r\n\r\n", []int{404}, true},
		{"a path in capitals", "GET /FHIR/metadata HTTP/1.1\r\nHost: a\r\n\r\n", []int{404}, true},
		{"an id with a slash, encoded", "GET /fhir/Patient/a%2F..%2Fb HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + good + "\r\n\r\n", []int{404}, true},
		{"an id with a zero byte", "GET /fhir/Patient/a%00 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + good + "\r\n\r\n", []int{404}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			answer, closed := x.say(0, c.text)
			if got := statuses(answer); !slices.Equal(got, c.want) {
				t.Errorf("answers %v, want %v", got, c.want)
			}
			if !c.open && !closed {
				t.Error("the connection goes on")
			}
			for _, leak := range []string{"hush", "101 Switching", good} {
				if strings.Contains(answer, leak) {
					t.Errorf("the answer holds %.12q", leak)
				}
			}
		})
	}
}

// trustsNoHeader: who asks, from where and what for are the token, the connection and the request line.
func (x *exchangeUnderTest) trustsNoHeader(t *testing.T) {
	api := x.clients["riverside-clinic-emr"].api
	token, err := api.token(x.ctx, treating)
	if err != nil {
		t.Fatal(err)
	}
	get := func(target, bearer string, headers ...string) reply {
		t.Helper()
		r, err := api.send(x.ctx, http.MethodGet, x.base+target, bearer, "", nil, headers)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for _, name := range []string{"X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Path", "X-Forwarded-Uri"} {
		if r := get("/livez", "", name, "/fhir/metadata"); string(r.body) != "ok\n" {
			t.Errorf("%s chose another path", name)
		}
	}
	for _, name := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"} {
		if r := get("/fhir/Patient?family=x&birthdate=1968-04-17", token, name, "DELETE"); r.status != http.StatusOK {
			t.Errorf("%s chose another method: %s", name, r.problem())
		}
	}
	for _, host := range []string{"X-Forwarded-Host", "X-Host", "Forwarded"} {
		if r := get("/fhir/metadata", "", host, "host=evil.example"); bytes.Contains(r.body, []byte("evil.example")) {
			t.Errorf("%s stands in our links", host)
		}
	}
	answer, _ := x.say(0, "GET /.well-known/smart-configuration HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
	if strings.Contains(answer, "evil.example") || !strings.Contains(answer, x.base+"/oauth/token") {
		t.Error("the Host header stands in our links")
	}

	// Where a request came from is where the connection did.
	const spoofed = "203.0.113.77"
	id := "spoofed-origin-1"
	q := url.Values{"patient.identifier": {x.at(x.person(sim.Ordinary), "riverside-clinic")}}.Encode()
	get("/fhir/DocumentReference?"+q, token, "X-Request-Id", id, "X-Forwarded-For", spoofed, "X-Real-Ip", spoofed, "Forwarded", "for="+spoofed,
		"True-Client-Ip", spoofed, "Cf-Connecting-Ip", spoofed, "X-Client-Cert", "CN=operator", "X-Forwarded-Client-Cert", "Subject=CN=operator", "X-Ssl-Client-Verify", "SUCCESS")
	var events, here, there int
	if err := x.db.QueryRow(x.ctx, `select count(*), count(*) filter (where position('127.0.0.1' in b) > 0), count(*) filter (where position($2 in b) > 0)
from (select convert_from(body, 'UTF8') b from audit.event) e where position($1 in b) > 0`, id, spoofed).Scan(&events, &here, &there); err != nil {
		t.Fatal(err)
	}
	if events == 0 || here != events || there != 0 {
		t.Errorf("%d events of the request: %d name the connection's address, %d the header's", events, here, there)
	}

	// One Authorization header, of one scheme.
	u, err := url.Parse(x.base)
	if err != nil {
		t.Fatal(err)
	}
	head := "GET /fhir/Patient?family=x&birthdate=1968-04-17 HTTP/1.1\r\nConnection: close\r\nHost: " + u.Host + "\r\n"
	for name, c := range map[string]struct {
		headers string
		want    int
	}{
		"one":                       {"Authorization: Bearer " + token + "\r\n", 200},
		"in lower case":             {"authorization: bearer " + token + "\r\n", 200},
		"two, the same":             {"Authorization: Bearer " + token + "\r\nAuthorization: Bearer " + token + "\r\n", 401},
		"two, good and bad":         {"Authorization: Bearer " + token + "\r\nAuthorization: Bearer x\r\n", 401},
		"two, bad and good":         {"Authorization: Bearer x\r\nAuthorization: Bearer " + token + "\r\n", 401},
		"two in one":                {"Authorization: Bearer " + token + ", Bearer x\r\n", 401},
		"another scheme":            {"Authorization: Basic " + token + "\r\n", 401},
		"no scheme":                 {"Authorization: " + token + "\r\n", 401},
		"a cookie":                  {"Cookie: access_token=" + token + "\r\n", 401},
		"another header":            {"X-Authorization: Bearer " + token + "\r\nProxy-Authorization: Bearer " + token + "\r\n", 401},
		"an actor of one's own":     {"X-Concord-Actor: operator\r\nX-Remote-User: operator\r\n", 401},
		"an empty one beside it":    {"Authorization: \r\nAuthorization: Bearer " + token + "\r\n", 401},
		"a token of 60,000 letters": {"Authorization: Bearer " + strings.Repeat("a", 60_000) + "\r\n", 401},
	} {
		answer, _ := x.say(0, head+c.headers+"\r\n")
		if got := statuses(answer); !slices.Equal(got, []int{c.want}) {
			t.Errorf("Authorization, %s: %v, want %d", name, got, c.want)
		}
	}
	answer, _ = x.say(0, strings.Replace(head, "birthdate=1968-04-17", "birthdate=1968-04-17&access_token="+token, 1)+"\r\n")
	if got := statuses(answer); !slices.Equal(got, []int{401}) {
		t.Errorf("a token in the URL: %v, want 401", got)
	}
}

// refusesOtherSites: a page of another site cannot make a browser change or search anything, token or not, and no
// answer invites one.
func (x *exchangeUnderTest) refusesOtherSites(t *testing.T) {
	api := x.clients["riverside-clinic-emr"].api
	token, err := api.token(x.ctx, treating)
	if err != nil {
		t.Fatal(err)
	}
	form := []byte(url.Values{"patient.identifier": {x.at(x.person(sim.Ordinary), "riverside-clinic")}}.Encode())
	for _, c := range []struct {
		name    string
		path    string
		headers []string
		want    int
	}{
		{"no browser", "/fhir/DocumentReference/_search", nil, 200},
		{"our own page", "/fhir/DocumentReference/_search", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		{"another site's page", "/fhir/DocumentReference/_search", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"a page of a neighbour", "/fhir/DocumentReference/_search", []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"another origin", "/fhir/DocumentReference/_search", []string{"Origin", "https://evil.example"}, 403},
		{"no origin", "/fhir/DocumentReference/_search", []string{"Origin", "null"}, 403},
		{"another site's page at the token endpoint", "/oauth/token", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"another site's page at administration", "/admin/v1/match/verdicts", []string{"Sec-Fetch-Site", "cross-site"}, 403},
	} {
		r, err := api.send(x.ctx, http.MethodPost, x.base+c.path, token, "application/x-www-form-urlencoded", form, c.headers)
		if err != nil {
			t.Fatal(err)
		}
		if r.status != c.want {
			t.Errorf("%s: %s, want %d", c.name, r.problem(), c.want)
		}
		if c.want == http.StatusForbidden {
			if got := issueOf(t, "POST "+c.path, r); got.code != "forbidden" {
				t.Errorf("%s: %s", c.name, r.problem())
			}
		}
	}
	for _, path := range []string{"/fhir/Patient", "/oauth/token", "/admin/v1/reviews", "/fhir/metadata"} {
		r, err := api.send(x.ctx, http.MethodOptions, x.base+path, "", "", nil, []string{"Origin", "https://evil.example", "Access-Control-Request-Method", "POST"})
		if err != nil {
			t.Fatal(err)
		}
		for name := range r.header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s: a preflight is answered with %s", path, name)
			}
		}
	}
}

// takesAssertionsOnce posts one assertion many times at once to three nodes.
func (x *exchangeUnderTest) takesAssertionsOnce(t *testing.T) {
	api := x.clients["chesapeake-heart-emr"].api
	signed, err := api.assertion(x.base+"/oauth/token", treating, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	form := []byte(url.Values{"grant_type": {"client_credentials"}, "scope": {treating.scopes}, "client_assertion": {signed},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}}.Encode())
	var (
		mu      sync.Mutex
		wg      sync.WaitGroup
		answers = map[int]int{}
	)
	ready := make(chan struct{})
	for i := range 150 { // within what one client may ask at once
		wg.Go(func() {
			<-ready
			r, err := api.send(x.ctx, http.MethodPost, x.origins[i%3]+"/oauth/token", "", "application/x-www-form-urlencoded", form, nil)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
				return
			}
			answers[r.status]++
		})
	}
	close(ready)
	wg.Wait()
	if answers[http.StatusOK] != 1 || answers[http.StatusUnauthorized] != 149 {
		t.Errorf("answers by status %v, want one 200 and 149 of 401", answers)
	}
	for _, origin := range x.origins {
		if r, err := api.send(x.ctx, http.MethodPost, origin+"/oauth/token", "", "application/x-www-form-urlencoded", form, nil); err != nil || r.status != http.StatusUnauthorized {
			t.Errorf("the assertion again, later: %d %v, want 401", r.status, err)
		}
	}
}

// keepsCursorsApart: the next page is there for who got the first, from any node, and for nobody else.
func (x *exchangeUnderTest) keepsCursorsApart(t *testing.T) {
	maria := x.person(sim.Ordinary)
	links := linksOf(t, x.search("riverside-clinic", treating, x.at(maria, "riverside-clinic"), "_count", "2"))
	if len(links) != 1 {
		t.Fatal("one page holds everything")
	}
	var pages []string
	for _, origin := range x.origins {
		r := x.must(http.StatusOK, "riverside-clinic-emr", treating, http.MethodGet, strings.Replace(links[0], x.base, origin, 1), nil)
		pages = append(pages, strings.Join(attachments(t, r), " "))
	}
	if pages[0] == "" || pages[1] != pages[0] || pages[2] != pages[0] {
		t.Errorf("the nodes continue one search in %q", pages)
	}
	billing := treating
	billing.purposes = "HPAYMT"
	colleague := treating
	colleague.user = "dr-other"
	for name, c := range map[string]struct {
		client string
		who    asker
	}{"another organisation": {"harbor-main-emr", treating}, "another purpose": {"riverside-clinic-emr", billing}, "another person": {"riverside-clinic-emr", colleague}} {
		r := x.must(http.StatusBadRequest, c.client, c.who, http.MethodGet, links[0], nil)
		if got := issueOf(t, "GET /fhir/", r); got.expression != "_cursor" {
			t.Errorf("%s: %s", name, r.problem())
		}
	}
}

// slowHeads begins n requests at the second node and sends a byte of their heads now and then.
func (x *exchangeUnderTest) slowHeads(n int) []net.Conn {
	x.t.Helper()
	u, err := url.Parse(x.origins[1])
	if err != nil {
		x.t.Fatal(err)
	}
	var out []net.Conn
	for range n {
		c, err := net.Dial("tcp", u.Host)
		if err != nil {
			x.t.Fatal(err)
		}
		x.t.Cleanup(func() { _ = c.Close() })
		go func() {
			for _, part := range strings.SplitAfter("GET /livez HTTP/1.1\r\nX-A: "+strings.Repeat("b", 100), "") {
				if _, err := io.WriteString(c, part); err != nil {
					return
				}
				time.Sleep(200 * time.Millisecond)
			}
		}()
		out = append(out, c)
	}
	return out
}

// endsSlowHeads: heads begun some time ago have been given up by the node, which answers others at once.
func (x *exchangeUnderTest) endsSlowHeads(t *testing.T, slow []net.Conn) {
	start := time.Now()
	if r, err := http.Get(x.origins[1] + "/livez"); err != nil || r.StatusCode != http.StatusOK || time.Since(start) > 2*time.Second {
		t.Errorf("a good request beside them: %v after %s", err, time.Since(start))
	} else {
		_ = r.Body.Close()
	}
	limit := time.Now().Add(10 * time.Second)
	for _, c := range slow {
		_ = c.SetReadDeadline(limit)
		_, err := io.Copy(io.Discard, c)
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			t.Fatal("a head that never ends is still being read")
		}
	}
}

// awaitRefused waits until every node has had its second and expects each to refuse a token.
func (x *exchangeUnderTest) awaitRefused(t *testing.T, api *apiClient, token string, since time.Time) {
	t.Helper()
	time.Sleep(time.Until(since.Add(time.Second)))
	for i, origin := range x.origins {
		r, err := api.send(x.ctx, http.MethodGet, origin+"/fhir/Patient?family=x&birthdate=1968-04-17", token, "", nil, nil)
		if err != nil || r.status != http.StatusUnauthorized {
			t.Errorf("node %d a second later: %d %v, want 401", i, r.status, err)
		}
		signed, err := api.assertion(x.base+"/oauth/token", treating, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		form := url.Values{"grant_type": {"client_credentials"}, "scope": {treating.scopes}, "client_assertion": {signed},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}}.Encode()
		if r, err := api.send(x.ctx, http.MethodPost, origin+"/oauth/token", "", "application/x-www-form-urlencoded", []byte(form), nil); err != nil || r.status == http.StatusOK {
			t.Errorf("node %d gives a new token: %d %v", i, r.status, err)
		}
	}
}

// held is a token that every node takes now.
func (x *exchangeUnderTest) held(t *testing.T, client string) (*apiClient, string) {
	t.Helper()
	api := x.clients[client].api
	token, err := api.token(x.ctx, treating)
	if err != nil {
		t.Fatal(err)
	}
	for i, origin := range x.origins {
		if r, err := api.send(x.ctx, http.MethodGet, origin+"/fhir/Patient?family=x&birthdate=1968-04-17", token, "", nil, nil); err != nil || r.status != http.StatusOK {
			t.Fatalf("node %d does not take a good token: %d %v", i, r.status, err)
		}
	}
	return api, token
}

func (x *exchangeUnderTest) suspends(t *testing.T) {
	const id = "bay-housing-emr"
	api, token := x.held(t, id)
	c := x.clients[id].Client
	c.Status = access.Suspended
	if _, err := accesspg.New(x.db).Apply(x.ctx, operatorActor, []access.Client{c}, false); err != nil {
		t.Fatal(err)
	}
	x.awaitRefused(t, api, token, time.Now())
	c.Status = access.Active
	if _, err := accesspg.New(x.db).Apply(x.ctx, operatorActor, []access.Client{c}, false); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	for i, origin := range x.origins {
		if r, err := api.send(x.ctx, http.MethodGet, origin+"/fhir/Patient?family=x&birthdate=1968-04-17", token, "", nil, nil); err != nil || r.status != http.StatusUnauthorized {
			t.Errorf("node %d takes the old token again when its client is back: %d %v", i, r.status, err)
		}
	}
}

func (x *exchangeUnderTest) suspendsOrganisations(t *testing.T) {
	api, token := x.held(t, "chesapeake-heart-emr")
	f := demoDirectory(x.region.Sites, x.bases)
	for i := range f.Organizations {
		if f.Organizations[i].ID == "chesapeake-cardiology" {
			f.Organizations[i].Active = false
		}
	}
	if _, err := directorypg.New(x.db, auditpg.Append, nil).Apply(x.ctx, operatorActor, f, false); err != nil {
		t.Fatal(err)
	}
	x.awaitRefused(t, api, token, time.Now())
}
