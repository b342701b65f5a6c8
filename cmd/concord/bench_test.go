package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/access/accesspg"
	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/bench"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/sim"
	"github.com/concord-hie/concord/internal/token"
)

// TestBench is `make bench`: it fills an exchange, measures what DESIGN section 6 names beside its ceiling, and
// writes bench/latest.json. It runs only when CONCORD_BENCH says where to write; speed is never a test.
//
// CONCORD_BENCH_SOURCES and CONCORD_BENCH_POINTERS set how much there is (100000 and 1000000), and
// CONCORD_BENCH_SECONDS how long each figure is measured (5).
func TestBench(t *testing.T) {
	out := os.Getenv("CONCORD_BENCH")
	if out == "" {
		t.Skip("a measurement, not a test: make bench")
	}
	b := newBencher(t, envInt(t, "CONCORD_BENCH_SOURCES", 100_000), envInt(t, "CONCORD_BENCH_POINTERS", 1_000_000),
		time.Duration(envInt(t, "CONCORD_BENCH_SECONDS", 5))*time.Second)
	for _, run := range []func(){b.register, b.importDocuments, b.tokens, b.match, b.publish, b.query, b.retrieve, b.audit, b.decide} {
		run()
	}
	if err := b.report.Table(os.Stdout); err != nil {
		t.Fatal(err)
	}
	if err := b.report.Save(out); err != nil {
		t.Fatal(err)
	}
}

func envInt(t *testing.T, name string, fallback int) int {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		return fallback
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 {
		t.Fatalf("%s must be a positive number", name)
	}
	return n
}

// A bencher measures one exchange.
type bencher struct {
	*exchangeUnderTest
	report   bench.Report
	d        time.Duration
	sources  int
	pointers int
	known    []sim.Registration // registered so far
}

func newBencher(t *testing.T, sources, pointers int, d time.Duration) *bencher {
	t.Helper()
	region, err := sim.Population(demoSeed, max(14, sources), 5) // more registrations than people, so that some are left to be measured
	if err != nil {
		t.Fatal(err)
	}
	b := &bencher{exchangeUnderTest: newExchangeOf(t, 1, region), report: bench.NewReport(), d: d, sources: sources, pointers: pointers}
	if err := b.db.QueryRow(b.ctx, `select current_setting('server_version')`).Scan(&b.report.PostgreSQL); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bencher) add(f bench.Figure) { b.report.Figures = append(b.report.Figures, f) }

// run measures op with 1 and 16 callers.
func (b *bencher) run(name, goal string, op func(ctx context.Context, caller, n int) error) (one, many bench.Figure) {
	b.t.Helper()
	for _, callers := range []int{1, 16} {
		f, err := bench.Measure(b.ctx, name, callers, b.d, op)
		if err != nil {
			b.t.Fatal(err)
		}
		f.Goal = goal
		one, many = many, f
	}
	return one, many
}

// ceiling is what pgbench reaches with script at 16 clients.
func (b *bencher) ceiling(script string) float64 {
	b.t.Helper()
	rate, err := bench.PGBench(b.ctx, b.dbURL, script, 16, b.d)
	if err != nil {
		b.t.Fatal(err)
	}
	return rate
}

func (b *bencher) client() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	return &http.Client{Transport: transport}
}

// fetch makes a request and reads its answer.
func fetch(ctx context.Context, c *http.Client, method, target, bearer, contentType string, body []byte, want ...int) error {
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	for _, s := range want {
		if resp.StatusCode == s {
			return nil
		}
	}
	return fmt.Errorf("status %d", resp.StatusCode)
}

func (b *bencher) bearer(client string, who asker) string {
	b.t.Helper()
	v, err := b.clients[client].api.token(b.ctx, who)
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

// register feeds registrations until the index holds as many as asked, and measures the last seconds of it.
func (b *bencher) register() {
	client := b.client()
	todo := b.region.Registrations
	if len(todo) > b.sources+40_000 {
		todo = todo[:b.sources+40_000]
	}
	var next atomic.Int64
	bearers := map[string]string{}
	for _, s := range b.region.Sites {
		bearers[s.ID] = b.bearer(s.ID+"-feed", feeding)
	}
	put := func(ctx context.Context, _, _ int) error {
		i := int(next.Add(1)) - 1
		if i >= len(todo) {
			return fmt.Errorf("no registrations left")
		}
		g := todo[i]
		site, _ := b.region.Site(g.Site)
		return fetch(ctx, client, http.MethodPut, b.base+"/fhir/Patient?identifier="+url.QueryEscape(site.Authority+"|"+g.Local),
			bearers[g.Site], "application/fhir+json", g.Patient(site), http.StatusCreated, http.StatusOK)
	}
	began := time.Now()
	for int(next.Load()) < b.sources-5000 {
		for _, s := range b.region.Sites { // tokens live five minutes; those still good come from the store
			bearers[s.ID] = b.bearer(s.ID+"-feed", feeding)
		}
		if _, err := bench.Measure(b.ctx, "fill", 16, 2*time.Second, put); err != nil {
			b.t.Fatal(err)
		}
	}
	b.t.Logf("registered %d in %s", next.Load(), time.Since(began).Round(time.Second))
	for _, s := range b.region.Sites {
		bearers[s.ID] = b.bearer(s.ID+"-feed", feeding)
	}
	_, many := b.run(fmt.Sprintf("register over HTTP at %d source patients", next.Load()), "p99 ≤ 10 ms at 16 callers", put)
	b.known = todo[:next.Load()]
	b.report.SourcePatients = len(b.known)
	// The same rows without any thought: an identifier claim, a registration, a person with its member, twelve keys
	// claimed and twelve written with features, one event.
	b.add(many.Against("pgbench, the same rows written", b.ceiling(registerScript)))
}

const registerScript = `\set sp random(5000000000000000, 9000000000000000)
\set k random(1, 1000000000)
begin;
insert into mpi.identifier_key (claim, system, value, sp_id) values (:sp::bigint, 'bench', :sp::bigint::text, :sp::bigint) on conflict do nothing;
insert into mpi.key_claim (key, n) values (:k::bigint,1),(:k::bigint+1,1),(:k::bigint+2,1),(:k::bigint+3,1),(:k::bigint+4,1),(:k::bigint+5,1) on conflict (key) do update set n = key_claim.n + 1;
select key, sp_id, features from mpi.candidate_key where key = any(array[:k::bigint,:k::bigint+1,:k::bigint+2,:k::bigint+3,:k::bigint+4,:k::bigint+5,:k::bigint+6,:k::bigint+7,:k::bigint+8,:k::bigint+9,:k::bigint+10,:k::bigint+11]::bigint[]);
insert into mpi.source_patient (sp_id, person_id, alias_of, version, created, updated, birth, active, site, system, value, keys, body)
 values (:sp::bigint, :sp::bigint, 0, 1, now(), now(), 0, true, 'bench', 'bench', :sp::bigint::text, array[:k::bigint]::bigint[], convert_to(repeat('x', 900), 'UTF8')) on conflict do nothing;
insert into mpi.person (person_id, version, redirect) values (:sp::bigint, 1, 0) on conflict do nothing;
insert into mpi.person_member (person_id, sp_id, link, site, system, value, features) values (:sp::bigint, :sp::bigint, 2, 'bench', 'bench', :sp::bigint::text, decode(repeat('ab', 160), 'hex')) on conflict do nothing;
insert into mpi.candidate_key (key, sp_id, live, features) values
 (:k::bigint, :sp::bigint, false, decode(repeat('ab', 160), 'hex')),(:k::bigint+1, :sp::bigint, false, decode(repeat('ab', 160), 'hex')),(:k::bigint+2, :sp::bigint, false, decode(repeat('ab', 160), 'hex')),
 (:k::bigint+3, :sp::bigint, false, decode(repeat('ab', 160), 'hex')),(:k::bigint+4, :sp::bigint, false, decode(repeat('ab', 160), 'hex')),(:k::bigint+5, :sp::bigint, false, decode(repeat('ab', 160), 'hex')),
 (:k::bigint+6, :sp::bigint, false, decode(repeat('ab', 160), 'hex')),(:k::bigint+7, :sp::bigint, false, decode(repeat('ab', 160), 'hex')),(:k::bigint+8, :sp::bigint, false, decode(repeat('ab', 160), 'hex')),
 (:k::bigint+9, :sp::bigint, false, decode(repeat('ab', 160), 'hex')),(:k::bigint+10, :sp::bigint, false, decode(repeat('ab', 160), 'hex')),(:k::bigint+11, :sp::bigint, false, decode(repeat('ab', 160), 'hex')) on conflict do nothing;
commit;
`

// importDocuments loads pointers through `concord import documents`.
func (b *bencher) importDocuments() {
	publishing := 0
	for _, g := range b.known {
		if s, _ := b.region.Site(g.Site); s.Publishes {
			publishing++
		}
	}
	each := max(1, b.pointers/max(1, publishing))
	files := map[string]*bufio.Writer{}
	paths := map[string]string{}
	dir := b.t.TempDir()
	for _, s := range b.region.Sites {
		if !s.Publishes {
			continue
		}
		paths[s.Org] = filepath.Join(dir, s.Org+".ndjson")
		f, err := os.Create(paths[s.Org])
		if err != nil {
			b.t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		files[s.ID] = bufio.NewWriterSize(f, 1<<20)
	}
	count := 0
	for _, g := range b.known {
		site, _ := b.region.Site(g.Site)
		if !site.Publishes {
			continue
		}
		g.Documents = max(g.Documents, each)
		for n := range each {
			_, _ = files[g.Site].Write(b.region.Document(g, n).Reference(b.bases[g.Site]))
			_ = files[g.Site].WriteByte('\n')
			count++
		}
	}
	for _, w := range files {
		if err := w.Flush(); err != nil {
			b.t.Fatal(err)
		}
	}
	began := time.Now()
	for org, path := range paths {
		var out, errOut bytes.Buffer
		if status := run(b.ctx, []string{"--database-url", b.dbURL, "import", "documents", "--org", org, path}, &out, &errOut); status != 0 {
			b.t.Fatalf("import documents: status %d: %s", status, errOut.String())
		}
	}
	took := time.Since(began)
	var stored int
	if err := b.db.QueryRow(b.ctx, `select count(*) from locator.pointer`).Scan(&stored); err != nil {
		b.t.Fatal(err)
	}
	if stored < count {
		b.t.Errorf("%d of %d documents were stored", stored, count)
	}
	b.report.Pointers = stored
	b.add(bench.Figure{Name: "import documents, bulk", Goal: "≥ 60 k/s", Callers: 1, PerSecond: float64(count) / took.Seconds(),
		Note: "COPY to staging, claims, pointers, presence, audit; parsing included"})
}

// tokens measures the token endpoint beside a handler that only verifies and signs.
func (b *bencher) tokens() {
	client := b.client()
	for _, alg := range []string{token.ES384, token.RS384} {
		goal := "≥ 1,500/s"
		api := b.clients["riverside-clinic-emr"].api
		signer := api.signer
		if alg == token.RS384 {
			goal = "≥ 5,000/s"
			signer = b.addKey("riverside-clinic-emr", alg)
		}
		made := &apiClient{base: b.base, id: api.id, org: api.org, signer: signer}
		// Signing an assertion costs the client more than the server's check: they are made beforehand.
		forms := make([][]byte, 0, 24_000)
		need := int(float64(cap(forms)) * b.d.Seconds() / 5)
		for range need {
			signed, err := made.assertion(b.base+"/oauth/token", treating, time.Now())
			if err != nil {
				b.t.Fatal(err)
			}
			forms = append(forms, []byte(url.Values{"grant_type": {"client_credentials"}, "scope": {treating.scopes}, "client_assertion": {signed},
				"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}}.Encode()))
		}
		var next atomic.Int64
		began := time.Now()
		var done atomic.Int64
		f, err := bench.Measure(b.ctx, "token, "+alg, 16, b.d, func(ctx context.Context, _, _ int) error {
			i := int(next.Add(1)) - 1
			if i >= len(forms) {
				<-time.After(time.Until(began.Add(b.d + b.d/5)))
				return nil
			}
			done.Add(1)
			return fetch(ctx, client, http.MethodPost, b.base+"/oauth/token", "", "application/x-www-form-urlencoded", forms[i], http.StatusOK, http.StatusTooManyRequests)
		})
		if err != nil {
			b.t.Fatal(err)
		}
		f.Goal = goal
		b.add(f.Against("a handler that verifies and signs and does nothing else", b.bareTokens(made)))
	}
}

// addKey registers one more key of a client and returns its signer.
func (b *bencher) addKey(client, alg string) *token.Signer {
	b.t.Helper()
	signer, err := token.Generate(alg)
	if err != nil {
		b.t.Fatal(err)
	}
	public := signer.Public()
	b.clients[client].Keys[public.Kid] = access.Key{Kid: public.Kid, Alg: public.Alg, Public: public}
	var all []access.Client
	for _, c := range b.inOrder() {
		all = append(all, c.Client)
	}
	if _, err := accesspg.New(b.db).Apply(b.ctx, hie.Actor{Organization: exchangeOrg, Client: "bench"}, all, false); err != nil {
		b.t.Fatal(err)
	}
	time.Sleep(1200 * time.Millisecond) // the node has looked at the clients since
	return signer
}

// bareTokens verifies one assertion and signs one token a request, over loopback, with nothing else.
func (b *bencher) bareTokens(made *apiClient) float64 {
	signed, err := made.assertion(b.base+"/oauth/token", treating, time.Now())
	if err != nil {
		b.t.Fatal(err)
	}
	ours, err := token.Generate(token.ES256)
	if err != nil {
		b.t.Fatal(err)
	}
	public := made.signer.Public()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.t.Fatal(err)
	}
	srv := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		parsed, err := token.Parse(signed)
		if err != nil || public.Verify(parsed) != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		out, err := ours.Sign("at+jwt", parsed.Payload)
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		_, _ = io.WriteString(w, out)
	})}
	go func() { _ = srv.Serve(l) }()
	defer func() { _ = srv.Close() }()
	client := b.client()
	f, err := bench.Measure(b.ctx, "bare token", 16, b.d, func(ctx context.Context, _, _ int) error {
		return fetch(ctx, client, http.MethodPost, "http://"+l.Addr().String(), "", "", []byte(signed), http.StatusOK)
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return f.PerSecond
}

// match measures $match beside the candidate query alone.
func (b *bencher) match() {
	client, bearer := b.client(), b.bearer("harbor-main-emr", treating)
	bodies := make([][]byte, 2000)
	for i := range bodies {
		g := b.known[rand.IntN(len(b.known))]
		site, _ := b.region.Site(g.Site)
		bodies[i] = fmt.Appendf(nil, `{"resourceType":"Parameters","parameter":[{"name":"resource","resource":%s}]}`, g.Patient(site))
	}
	one, many := b.run(fmt.Sprintf("$match over HTTP at %d source patients", len(b.known)), "p99 ≤ 10 ms at 16 callers; ≥ 40 % of the ceiling", func(ctx context.Context, _, n int) error {
		return fetch(ctx, client, http.MethodPost, b.base+"/fhir/Patient/$match", bearer, "application/fhir+json", bodies[n%len(bodies)], http.StatusOK)
	})
	low, high := b.recordRange()
	// Each transaction looks up the twelve keys of one real record, hubs left out, as the index does.
	rate := b.ceiling(fmt.Sprintf(`\set n random(%d, %d)
select key, sp_id, features from mpi.candidate_key where live and key = any(array(
  select unnest(s.keys) from (select keys from mpi.source_patient where sp_id >= :n::bigint order by sp_id limit 1) s limit 12)) limit 3000;
`, low, high))
	b.add(one)
	b.add(many.Against("pgbench, its candidate query", rate))
}

// recordRange is where the ids of real records lie; those the ceilings made lie below.
func (b *bencher) recordRange() (low, high int64) {
	b.t.Helper()
	if err := b.db.QueryRow(b.ctx, `select min(sp_id), max(sp_id) from mpi.source_patient where system <> 'bench'`).Scan(&low, &high); err != nil {
		b.t.Fatal(err)
	}
	return low, high
}

// publish measures one durable pointer a request.
func (b *bencher) publish() {
	client, bearer := b.client(), b.bearer("harbor-main-feed", feeding)
	var at []sim.Registration
	for _, g := range b.known {
		if g.Site == "harbor-main" {
			at = append(at, g)
		}
	}
	one, many := b.run("publish one pointer over HTTP, durable", "≥ 3 k/s", func(ctx context.Context, caller, n int) error {
		g := at[n%len(at)]
		return fetch(ctx, client, http.MethodPost, b.base+"/fhir/DocumentReference", bearer, "application/fhir+json",
			pointerPost(b.exchangeUnderTest, g.Local, fmt.Sprintf("urn:bench:%d:%d:%d", caller, n, time.Now().UnixNano())), http.StatusCreated)
	})
	rate := b.ceiling(`\set sp random(5000000000000000, 9000000000000000)
begin;
insert into locator.doc_key (claim, sp_id, ptr_id, content_hash) values (decode(md5(:sp::bigint::text), 'hex'), :sp::bigint, 1, '\x00') on conflict do nothing;
insert into locator.subject (sp_id, epoch) values (:sp::bigint, 0) on conflict do nothing;
insert into locator.pointer (sp_id, ptr_id, sort_at, kind, version, size, published, updated, status, site, custodian, endpoint, path, terms, names, detail)
 values (:sp::bigint, 1, now(), 1, 1, 1, now(), now(), 1, 'bench', 'bench', 'e', 'p', array[1,2,3,4,5]::bigint[], '', convert_to(repeat('x', 300), 'UTF8')) on conflict do nothing;
insert into locator.pointer_body (sp_id, ptr_id, received) values (:sp::bigint, 1, convert_to(repeat('y', 1400), 'UTF8')) on conflict do nothing;
insert into locator.presence (sp_id, kind, count, current, newest, site) values (:sp::bigint, 1, 1, 1, now(), 'bench') on conflict (sp_id, kind) do update set count = presence.count + 1;
commit;
`)
	b.add(one)
	b.add(many.Against("pgbench, its rows without the audit event", rate))
}

// query measures the whole way of DESIGN section 2.
func (b *bencher) query() {
	client, bearer := b.client(), b.bearer("riverside-clinic-emr", treating)
	var targets []string
	for _, g := range b.known {
		if g.Site == "riverside-clinic" && len(targets) < 5000 {
			site, _ := b.region.Site(g.Site)
			targets = append(targets, b.base+"/fhir/DocumentReference?"+url.Values{"patient.identifier": {site.Authority + "|" + g.Local}, "status": {"current"}}.Encode())
		}
	}
	one, many := b.run("document query, the whole way", "p99 ≤ 10 ms at 16 callers; ≥ 50 % of the ceiling", func(ctx context.Context, _, n int) error {
		return fetch(ctx, client, http.MethodGet, targets[n%len(targets)], bearer, "", nil, http.StatusOK)
	})
	low, high := b.recordRange()
	// Identifier, person, members, versions, epochs, presence, directives, two source patients' pages with bodies, one event.
	rate := b.ceiling(fmt.Sprintf(`\set n random(%d, %d)
select sp_id from mpi.source_patient where sp_id >= :n::bigint order by sp_id limit 1 \gset
select person_id from mpi.source_patient where sp_id = :sp_id \gset
select version, redirect from mpi.person where person_id = :person_id;
select sp_id, link, site, system, value from mpi.person_member where person_id = :person_id;
select sp_id, epoch from locator.subject where sp_id = any(array[:sp_id::bigint]);
select sp_id, kind, count, current, newest, site from locator.presence where sp_id = any(array[:sp_id::bigint]);
select p.ptr_id, p.sort_at, p.kind, p.detail, (select b.received from locator.pointer_body b where b.sp_id = p.sp_id and b.ptr_id = p.ptr_id) from locator.pointer p where p.sp_id = :sp_id::bigint order by p.sort_at desc, p.ptr_id desc limit 51;
select p.ptr_id, p.sort_at, p.kind, p.detail, (select b.received from locator.pointer_body b where b.sp_id = p.sp_id and b.ptr_id = p.ptr_id) from locator.pointer p where p.sp_id = :sp_id::bigint + 4096 order by p.sort_at desc, p.ptr_id desc limit 51;
`, low, high))
	b.add(one)
	b.add(many.Against("pgbench, its SQL without the audit event", rate))
}

// retrieve measures a document through the release gate beside asking the site directly.
func (b *bencher) retrieve() {
	client, bearer := b.client(), b.bearer("riverside-clinic-emr", treating)
	var handles, direct []string
	for _, g := range b.known {
		if g.Site != "riverside-clinic" || g.Documents == 0 || len(handles) >= 500 {
			continue
		}
		site, _ := b.region.Site(g.Site)
		r := b.search("riverside-clinic", treating, site.Authority+"|"+g.Local)
		for _, u := range attachments(b.t, r) {
			if err := fetch(b.ctx, client, http.MethodGet, u, bearer, "", nil, http.StatusOK); err == nil {
				handles = append(handles, u)
			}
		}
		d := b.region.Document(g, 0)
		direct = append(direct, b.bases[g.Site]+"/Binary/"+d.ID)
	}
	one, many := b.run("retrieve a document through the release gate", "", func(ctx context.Context, _, n int) error {
		return fetch(ctx, client, http.MethodGet, handles[n%len(handles)], bearer, "", nil, http.StatusOK)
	})
	f, err := bench.Measure(b.ctx, "direct", 16, b.d, func(ctx context.Context, _, n int) error {
		return fetch(ctx, client, http.MethodGet, direct[n%len(direct)], "", "", nil, http.StatusOK)
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.add(one)
	b.add(many.Against("the same documents asked of the site itself", f.PerSecond))
}

// audit measures the durable append of one event.
func (b *bencher) audit() {
	trail := auditpg.New(b.db)
	actor := hie.Actor{Organization: "harbor-general", Client: "bench", Purposes: []hie.Purpose{hie.PurposeTreat}}
	b.db.SQL().SetMaxOpenConns(16)
	one, many := b.run("audit append, one event durable", "≥ 5 k/s", func(ctx context.Context, _, n int) error {
		return trail.Record(ctx, audit.NewEvent(audit.DocumentsQueried, actor, hie.Now()).About(hie.SourcePatientID(n)))
	})
	rate := b.ceiling(`begin;
insert into audit.event (id, recorded, kind, outcome, org_id, user_id, salt, body)
 values (gen_random_uuid(), now(), 'bench', 'success', 'bench', '', decode(repeat('ab', 32), 'hex'), convert_to(repeat('x', 400), 'UTF8'));
insert into audit.event_record (sp_id, event_id) values (1, gen_random_uuid());
commit;
`)
	b.add(one)
	b.add(many.Against("pgbench, its rows without the place in waiting", rate))
}

// decide measures the consent engine: three directives, thirty rules besides the built-in law, no allocation beside a
// loop over flat masks that answers the same question without any of the semantics.
func (b *bencher) decide() {
	decider, req, doc := decisionWorkload(b.t)
	now := hie.Now()
	if !decider.Decide(req, doc, now).Release {
		b.t.Fatal("the workload's document is refused, so little of the engine is measured")
	}
	engine := testing.Benchmark(func(tb *testing.B) {
		tb.ReportAllocs()
		for tb.Loop() {
			decider.Decide(req, doc, now)
		}
	})
	masks := make([]uint64, 33)
	for i := range masks {
		masks[i] = rand.Uint64()
	}
	var sink uint64
	flat := testing.Benchmark(func(tb *testing.B) {
		for tb.Loop() {
			v := ^uint64(0)
			for _, m := range masks {
				v &^= m & 1
			}
			sink += v
		}
	})
	perSecond := func(r testing.BenchmarkResult) float64 { return 1e9 / float64(max(1, r.NsPerOp())) }
	b.add(bench.Figure{Name: "consent decision, 3 directives + 30 rules", Goal: "p50 ≤ 250 ns, 0 allocations", Callers: 1, PerSecond: perSecond(engine),
		P50: float64(engine.NsPerOp()) / 1e6, Note: fmt.Sprintf("%d ns a decision on average, %d allocations", engine.NsPerOp(), engine.AllocsPerOp())}.
		Against("a loop over 33 flat masks", perSecond(flat)))
	_ = sink
}

// decisionWorkload is one person with three directives under thirty rules, and a document that all of them are
// looked at for.
func decisionWorkload(t testing.TB) (*consent.Decider, consent.Request, consent.Document) {
	t.Helper()
	setup := consent.Setup{Policies: consent.BuiltinPolicies(), EmergencyHours: 4,
		Organizations: []consent.Organization{{ID: "north"}, {ID: "elm"}, {ID: "oak", Parent: "elm"}},
		Sites:         []consent.Site{{ID: "s1", Org: "north", Jurisdiction: "US-MD", Regimes: []string{}, Zone: "America/New_York", PrivilegedRoles: []string{"ed"}}},
		Defaults:      []consent.Default{{Network: true, PurposeClass: "*", Category: "*", Rule: "permit"}}}
	for i := range 30 {
		setup.Rules = append(setup.Rules, consent.Rule{ID: fmt.Sprintf("r%d", i), Layer: consent.LayerLaw, Effect: consent.Forbid,
			Scope: consent.Scope{Purposes: []hie.Purpose{"HMARKT", "GOVDTRM"}, Jurisdictions: []string{"US-MD"}, Classes: []string{fmt.Sprintf("class-%d", i)}}})
	}
	env, err := consent.NewEnv(setup)
	if err != nil {
		t.Fatal(err)
	}
	day := func(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }
	directive := func(n int, p consent.Provision) consent.Directive {
		return consent.Directive{ID: fmt.Sprint(n), Version: 1, Record: "1", Filed: day(n), Signed: day(n), Verified: true, NetworkWide: true, Status: "active",
			Scope: "patient-privacy", Policies: []string{[]string{consent.PolicySharing, consent.PolicyAdditional, consent.PolicySharing}[n%3]},
			Organizations: []string{fmt.Sprintf("Organization/o%d", n)}, Provision: &p}
	}
	directives := []consent.Directive{
		directive(1, consent.Provision{Type: "deny", Labels: []string{"HIV"}}),
		directive(2, consent.Provision{Type: "permit", Purposes: []string{"TREAT"}, Provisions: []consent.Provision{{Type: "deny", Classes: []string{"imaging"}}}}),
		directive(4, consent.Provision{Type: "deny", Classes: []string{"psychiatry"}}),
	}
	subject := consent.Subject{Records: []consent.Record{{ID: "1", Site: "s1", Link: hie.LinkConfirmed}}}
	return consent.Compile(env, subject, directives), consent.Request{Organization: "oak", Practitioner: "bloom", Roles: []string{"physician"}, CareTeams: []string{}, Purposes: []hie.Purpose{"TREAT"}},
		consent.Document{ID: "d", Record: "1", Site: "s1", Class: "lab", Type: "11502-2", Confidentiality: "N", Sensitivity: []string{}, LabelState: consent.Labelled}
}
