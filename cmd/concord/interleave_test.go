package main

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// abreast is how many patients revoke at once, each while one query or retrieve about them is under way.
const abreast = 16

// rounds is how many times they do: few in the suite, 10,000 interleavings when CONCORD_INTERLEAVINGS says so.
func rounds(t *testing.T) int {
	n, err := strconv.Atoi(os.Getenv("CONCORD_INTERLEAVINGS"))
	if err != nil {
		n = 12 * abreast
	}
	return (n + abreast - 1) / abreast
}

// TestNothingLeavesANodeAfterARevocationWhateverRedisDoes is the part of scenario 2 that needs real processes: one node is
// asked, the other takes the revocations. At a random instant of the requests the first node's gate is paused: what
// PostgreSQL answers it is held back, while the other node acknowledges every revocation; then it goes on. Redis meanwhile
// answers, is silent, or cannot be reached. Not a byte of a document and no entry may come after the pause, and what is
// asked after the acknowledgement shows nothing on either node. An answer is whole and right, empty, refused for now, or
// broken off; nothing else.
//
// federation's test of the same name as its rule tries the orders within one process by a clock of its own.
//
// Source: spec consent 2.14 and section 6, scenario 2.
func TestNothingLeavesANodeAfterARevocationWhateverRedisDoes(t *testing.T) {
	y := newInterleaving(t)
	n := rounds(t)
	for i := range n {
		if y.round(i); t.Failed() {
			t.Fatalf("in round %d", i)
		}
	}
	t.Logf("%d interleavings: %d answers came whole before the pause, %d empty or not found, %d refused for now, %d broken off; by Redis %v",
		n*abreast, y.whole.Load(), y.nothing.Load(), y.later.Load(), y.broken.Load(), y.byRedis)
	if y.whole.Load() == 0 || y.nothing.Load() == 0 {
		t.Error("the orders were not mixed, so nothing is shown")
	}

	y.redis.turn(cut)
	if _, err := y.clients["chesapeake-heart-emr"].api.token(y.ctx, treating); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("a token without Redis: %v, want a refusal with 503", err)
	}
}

// An interleaving is an exchange whose second node talks to PostgreSQL, and both to Redis, through valves.
type interleaving struct {
	*exchangeUnderTest
	t               *testing.T
	rng             *rand.Rand
	gate, redis     *valve
	asking, telling string // bearer tokens
	http            *http.Client
	patients        []witness

	paused                        atomic.Bool // the pause is over and every revocation acknowledged
	arrived                       atomic.Int64
	whole, nothing, later, broken atomic.Int64
	byRedis                       map[string]int
}

// A witness is a patient with one document and one Consent, which either refuses everything or is withdrawn.
type witness struct {
	system, local, id, consent, handle string
	version                            int
	body                               []byte
}

func newInterleaving(t *testing.T) *interleaving {
	x := newExchange(t, 2)
	y := &interleaving{exchangeUnderTest: x, t: t, rng: rand.New(rand.NewPCG(2, 14)), byRedis: map[string]int{},
		http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2 * abreast}, Timeout: time.Minute}}
	behind := func(name string) *valve {
		for _, e := range x.env {
			if key, value, _ := strings.Cut(e, "="); key == name {
				u, err := url.Parse(value)
				if err != nil {
					t.Fatal(err)
				}
				v := newValve(t, u.Host)
				u.Host = v.addr()
				x.env = append(x.env, name+"="+u.String()) // the last of a name counts
				return v
			}
		}
		t.Fatal("no " + name)
		return nil
	}
	y.redis = behind("CONCORD_REDIS_URL")
	for i := range x.nodes {
		x.nodes[i].kill()
		if i == 1 {
			y.gate = behind("CONCORD_DATABASE_URL")
		}
		x.nodes[i] = x.startNode(i)
	}
	site, _ := x.region.Site("harbor-main")
	if err := os.MkdirAll(x.hosted(site.ID), 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range abreast {
		y.patients = append(y.patients, y.witness(site.Authority, i))
	}
	if err := y.sign(); err != nil {
		t.Fatal(err)
	}
	settled := func(target string) (r outcome) { // a node that has only just started may refuse for now
		for range 50 {
			if r = y.ask(x.origins[1], target); r.status != http.StatusServiceUnavailable {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		return r
	}
	for i := range y.patients {
		p := &y.patients[i]
		r := settled(p.query())
		var found []string
		if r.err == nil && r.status == http.StatusOK {
			found = attachments(t, reply{body: r.body})
		}
		if len(found) != 1 {
			t.Fatalf("%d documents of a patient nobody hid: %d, %v", len(found), r.status, r.err)
		}
		u, err := url.Parse(found[0])
		if err != nil {
			t.Fatal(err)
		}
		p.handle = u.Path
		if r := settled(p.handle); r.err != nil || !bytes.Equal(r.body, p.body) {
			t.Fatalf("a document nobody hid: %d, %v", r.status, r.err)
		}
	}
	return y
}

// sign gets tokens anew once they are about to end: without Redis there are none to be had.
func (y *interleaving) sign() error {
	asking, err1 := y.clients["riverside-clinic-emr"].api.token(y.ctx, treating)
	telling, err2 := y.clients["harbor-main-feed"].api.token(y.ctx, feeding)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	y.asking, y.telling = asking, telling
	return nil
}

// witness enters the i-th patient; the document of every fourth is too long to be proved before its first byte leaves.
func (y *interleaving) witness(system string, i int) witness {
	y.t.Helper()
	p := witness{system: system, local: fmt.Sprintf("W-%d", i), body: bytes.Repeat([]byte{byte('a' + i)}, 40_000+i*9000)}
	if i%4 == 3 {
		p.body = bytes.Repeat([]byte{byte('a' + i)}, 3<<20)
	}
	target, body := patientPut(y.exchangeUnderTest, p.local, "Given"+string(rune('a'+i)), fmt.Sprintf("Witness%c%c", 'a'+i, 'q'-i), fmt.Sprintf("19%d-0%d-1%d", 30+3*i, 1+i%9, i%9))
	p.id = idOf(y.t, y.must(http.StatusCreated, "harbor-main-feed", asFeed, http.MethodPut, target, body))
	name := "witness-" + p.local
	if err := os.WriteFile(filepath.Join(y.hosted("harbor-main"), name), append([]byte("text/plain\n"), p.body...), 0o644); err != nil {
		y.t.Fatal(err)
	}
	sum := sha1.Sum(p.body)
	reference := strings.NewReplacer(`"size":3`, fmt.Sprintf(`"size":%d`, len(p.body)), "qZk+NkcGgWq6PiVxeFDCbJzQ2J0=", base64.StdEncoding.EncodeToString(sum[:])).
		Replace(string(pointerPost(y.exchangeUnderTest, p.local, name)))
	y.must(http.StatusCreated, "harbor-main-feed", feeding, http.MethodPost, "/fhir/DocumentReference", []byte(reference))
	withdrawn := strings.Replace(string(refusal(p.id, false, time.Now())), `"active"`, `"inactive"`, 1)
	p.consent = idOf(y.t, y.must(http.StatusCreated, "harbor-main-feed", feeding, http.MethodPost, "/fhir/Consent", []byte(withdrawn)))
	p.version = 1
	return p
}

func (p *witness) query() string {
	return "/fhir/DocumentReference?" + url.Values{"patient.identifier": {p.system + "|" + p.local}, "status": {"current"}}.Encode()
}

// An outcome is what came of one request, and what of it came after the pause.
type outcome struct {
	status int
	body   []byte
	err    error
	late   int
}

// ask makes one request of node and notes what comes after the pause.
func (y *interleaving) ask(node, target string) outcome {
	req, err := http.NewRequestWithContext(y.ctx, http.MethodGet, node+target, nil)
	if err != nil {
		return outcome{err: err}
	}
	req.Header.Set("Authorization", "Bearer "+y.asking)
	resp, err := y.http.Do(req)
	if err != nil {
		return outcome{err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	out := outcome{status: resp.StatusCode}
	piece := make([]byte, 16<<10)
	for out.err == nil {
		var n int
		n, out.err = resp.Body.Read(piece)
		y.arrived.Add(int64(n))
		if y.paused.Load() {
			out.late += n
		}
		out.body = append(out.body, piece[:n]...)
	}
	if errors.Is(out.err, io.EOF) {
		out.err = nil
	}
	return out
}

// wish has p refuse everything, or take that back, through the first node.
func (y *interleaving) wish(ctx context.Context, p *witness, status string) error {
	body := strings.Replace(string(refusal(p.id, false, time.Now())), `{`, `{"id":"`+p.consent+`",`, 1)
	body = strings.Replace(body, `"active"`, `"`+status+`"`, 1)
	r, err := y.clients["harbor-main-feed"].api.send(ctx, http.MethodPut, y.origins[0]+"/fhir/Consent/"+p.consent, y.telling, "application/fhir+json", []byte(body),
		[]string{"If-Match", fmt.Sprintf(`W/"%d"`, p.version)})
	if err != nil {
		return err
	}
	if r.status != http.StatusOK {
		return fmt.Errorf("status %d: %s", r.status, r.problem())
	}
	p.version++
	return nil
}

// each does f for every patient at once.
func (y *interleaving) each(f func(p *witness) error) {
	y.t.Helper()
	var all sync.WaitGroup
	for i := range y.patients {
		all.Go(func() {
			if err := f(&y.patients[i]); err != nil {
				y.t.Error(err)
			}
		})
	}
	all.Wait()
}

// round is one request and one revocation for each patient.
func (y *interleaving) round(n int) {
	state := flow(n % 3)
	y.redis.turn(state)
	y.byRedis[[]string{"answering", "silent", "out of reach"}[state]] += abreast
	if state == flows {
		_ = y.sign() // a node that has not found Redis again yet is asked in the next round but two
	}
	y.paused.Store(false)
	y.arrived.Store(0)
	paused := y.gate.holdAfter(y.rng.IntN(14 * abreast)) // a request takes some ten answers of PostgreSQL
	var all sync.WaitGroup
	outcomes := make([]outcome, abreast)
	for i := range y.patients {
		p, wait := &y.patients[i], time.Duration(y.rng.Int64N(int64(20*time.Millisecond)))
		target := p.query()
		if (i+n)%2 == 0 {
			target = p.handle
		}
		all.Go(func() {
			time.Sleep(wait)
			outcomes[i] = y.ask(y.origins[1], target)
		})
	}
	answered := make(chan struct{})
	go func() { all.Wait(); close(answered) }()
	select {
	case <-paused:
	case <-answered:
		y.gate.turn(held)
	}
	y.each(func(p *witness) error { return y.wish(y.ctx, p, "active") })
	y.settle()
	y.paused.Store(true)
	y.gate.turn(flows)
	<-answered
	for i, o := range outcomes {
		y.judge(&y.patients[i], o)
	}
	after := &y.patients[y.rng.IntN(abreast)]
	for _, node := range y.origins {
		if o := y.ask(node, after.query()); o.status != http.StatusServiceUnavailable && (o.err != nil || o.status != http.StatusOK || entries(y.t, o.body) != 0) {
			y.t.Errorf("asked after the acknowledgement: %d, %v, %d entries", o.status, o.err, entries(y.t, o.body))
		}
		if o := y.ask(node, after.handle); o.status != http.StatusNotFound && o.status != http.StatusServiceUnavailable {
			y.t.Errorf("opened after the acknowledgement: %d, %v", o.status, o.err)
		}
	}
	y.each(func(p *witness) error { return y.wish(y.ctx, p, "inactive") })
}

// settle waits until nothing that had left before arrives any more.
func (y *interleaving) settle() {
	for before := int64(-1); before != y.arrived.Load(); {
		before = y.arrived.Load()
		time.Sleep(120 * time.Millisecond)
	}
}

// judge says what came of a request whose patient revoked in its midst.
func (y *interleaving) judge(p *witness, o outcome) {
	y.t.Helper()
	content := bytes.Contains(o.body, []byte("/fhir/Binary/")) || o.status == http.StatusOK && !json.Valid(o.body)
	switch {
	case o.late > 0 && content:
		y.t.Errorf("%d bytes left after the revocation was acknowledged", o.late)
	case o.status == http.StatusOK && o.err == nil && !content && entries(y.t, o.body) == 0, o.status == http.StatusNotFound:
		y.nothing.Add(1)
	case o.status == http.StatusOK && o.err == nil && (bytes.Equal(o.body, p.body) || content && json.Valid(o.body) && entries(y.t, o.body) == 1):
		y.whole.Add(1)
	case o.status == http.StatusServiceUnavailable:
		y.later.Add(1)
	case o.err != nil:
		y.broken.Add(1)
	default:
		y.t.Errorf("an answer of %d with %d bytes that is neither whole nor empty", o.status, len(o.body))
	}
}

// entries counts the documents of a searchset, -1 for what is none.
func entries(t testing.TB, body []byte) int {
	t.Helper()
	var set struct {
		ResourceType string
		Entry        []struct{ Resource struct{ ResourceType string } }
	}
	if json.Unmarshal(body, &set) != nil || set.ResourceType != "Bundle" {
		return -1
	}
	n := 0
	for _, e := range set.Entry {
		if e.Resource.ResourceType == "DocumentReference" {
			n++
		}
	}
	return n
}
