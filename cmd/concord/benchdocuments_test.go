package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/concord-hie/concord/bench"
	"github.com/concord-hie/concord/internal/sim"
)

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
		made := g // with as many documents as are wanted; those beyond the real ones exist in the index alone
		made.Documents = max(g.Documents, each)
		for n := range each {
			d := b.region.Document(made, n)
			if n < g.Documents {
				d = b.region.Document(g, n)
			}
			_, _ = files[g.Site].Write(d.Reference(b.bases[g.Site]))
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
		b.t.Logf("imported those of %s, %s since the first", org, time.Since(began).Round(100*time.Millisecond))
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
	b.publishBundles(client, bearer, at, rate)
}

// publishBundles measures ITI-65 transactions of 100 documents, in documents.
func (b *bencher) publishBundles(client *http.Client, bearer string, at []sim.Registration, single float64) {
	const documents = 100
	site, _ := b.region.Site("harbor-main")
	f := b.measure("publish 100 pointers a transaction (ITI-65), pointers", "", 4, func(ctx context.Context, caller, n int) error {
		g := at[n%len(at)]
		g.Documents = 1 << 20 // none of these is among those imported
		from := 1<<18 + n*documents
		return fetch(ctx, client, http.MethodPost, b.base+"/fhir", bearer, "application/fhir+json", b.provideBundle(site, g, from, from+documents), http.StatusOK)
	})
	f.PerSecond *= documents
	f.Note = "times are of the whole transaction"
	b.add(f.Against("pgbench, rows of one pointer a transaction", single))
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
	// Identifier, person, members, epochs, directives, presence, the pages of three records with their bodies, the
	// standing again, and the events of the query and of two disclosures: each once, as a query about three records does.
	rate := b.ceiling(fmt.Sprintf(`\set n random(%d, %d)
select sp_id from mpi.source_patient where sp_id >= :n::bigint order by sp_id limit 1 \gset
select person_id from mpi.source_patient where sp_id = :sp_id \gset
select version, redirect from mpi.person where person_id = :person_id;
select coalesce((select sp_id from mpi.person_member where person_id = :person_id order by sp_id offset 0 limit 1), 0) as a,
 coalesce((select sp_id from mpi.person_member where person_id = :person_id order by sp_id offset 1 limit 1), 0) as b,
 coalesce((select sp_id from mpi.person_member where person_id = :person_id order by sp_id offset 2 limit 1), 0) as c \gset
select sp_id, epoch from locator.subject where sp_id = any(array[:a, :b, :c]::bigint[]);
select * from consent.directive where sp_id = any(array[:a, :b, :c]::bigint[]);
select p.sp_id, p.count, p.current, p.newest, p.site, k.* from locator.presence p join locator.kind k on k.kind_id = p.kind where p.sp_id = any(array[:a, :b, :c]::bigint[]) and p.count > 0;
select p.ptr_id, p.sort_at, p.kind, p.detail, (select b.received from locator.pointer_body b where b.sp_id = p.sp_id and b.ptr_id = p.ptr_id) from locator.pointer p where p.sp_id = :a::bigint and p.ptr_id <= 9000000000000000000 order by p.sort_at desc, p.ptr_id desc limit 101;
select p.ptr_id, p.sort_at, p.kind, p.detail, (select b.received from locator.pointer_body b where b.sp_id = p.sp_id and b.ptr_id = p.ptr_id) from locator.pointer p where p.sp_id = :b::bigint and p.ptr_id <= 9000000000000000000 order by p.sort_at desc, p.ptr_id desc limit 101;
select p.ptr_id, p.sort_at, p.kind, p.detail, (select b.received from locator.pointer_body b where b.sp_id = p.sp_id and b.ptr_id = p.ptr_id) from locator.pointer p where p.sp_id = :c::bigint and p.ptr_id <= 9000000000000000000 order by p.sort_at desc, p.ptr_id desc limit 101;
select version, redirect from mpi.person where person_id = :person_id;
select sp_id, epoch from locator.subject where sp_id = any(array[:a, :b, :c]::bigint[]);
with e as (insert into audit.event (id, recorded, kind, outcome, org_id, user_id, salt, body)
 select gen_random_uuid(), now(), 'bench', 'success', 'bench', '', decode(repeat('ab', 32), 'hex'), convert_to(repeat('x', 900), 'UTF8') from generate_series(1, 3) returning id)
insert into audit.event_record (sp_id, event_id) select s.sp_id, e.id from e, unnest(array[:a, :b]::bigint[]) as s (sp_id);
`, low, high))
	b.add(one)
	b.add(many.Against("pgbench, its SQL", rate))
}

// heavy measures the whole way for one person with 10,000 pointers beside the same for the others.
func (b *bencher) heavy() {
	client, bearer := b.client(), b.bearer("riverside-clinic-emr", treating)
	site, _ := b.region.Site("harbor-main")
	local := "HEAVY-1"
	path, body := patientPut(b.exchangeUnderTest, local, "Perpetua", "Overmountain", "1931-03-09")
	b.must(http.StatusCreated, "harbor-main-feed", feeding, http.MethodPut, path, body)
	const documents = 10_000
	var file bytes.Buffer
	for n := range documents {
		file.Write(pointerPost(b.exchangeUnderTest, local, fmt.Sprintf("urn:bench:heavy:%d", n)))
		file.WriteByte('\n')
	}
	began := time.Now()
	b.load(site.Org, file.Bytes())
	b.t.Logf("%d documents of one record in %s", documents, time.Since(began).Round(10*time.Millisecond))
	target := func(authority, local string) string {
		return b.base + "/fhir/DocumentReference?" + url.Values{"patient.identifier": {authority + "|" + local}, "status": {"current"}, "_count": {"20"}}.Encode()
	}
	var others []string
	for _, g := range b.known {
		if at, _ := b.region.Site(g.Site); at.Publishes && g.Site != "new-dawn-east" && len(others) < 5000 {
			others = append(others, target(at.Authority, g.Local))
		}
	}
	heavy := target(site.Authority, local)
	f := b.measure("document query, heavy person (10,000 pointers)", "≤ 2 × the others", 16, func(ctx context.Context, _, _ int) error {
		return fetch(ctx, client, http.MethodGet, heavy, bearer, "", nil, http.StatusOK)
	})
	ordinary := b.measure("ordinary", "", 16, func(ctx context.Context, _, n int) error {
		return fetch(ctx, client, http.MethodGet, others[n%len(others)], bearer, "", nil, http.StatusOK)
	})
	f.Note = fmt.Sprintf("pages of 20; ordinary persons p50 %.3f ms, p99 %.3f ms", ordinary.P50, ordinary.P99)
	b.add(f.Against("the same query about ordinary persons", ordinary.PerSecond))
}

// load imports NDJSON for an organisation as `concord import documents` does.
func (b *bencher) load(org string, lines []byte) {
	b.t.Helper()
	path := filepath.Join(b.t.TempDir(), "load.ndjson")
	if err := os.WriteFile(path, lines, 0o600); err != nil {
		b.t.Fatal(err)
	}
	var out, errOut bytes.Buffer
	if status := run(b.ctx, []string{"--database-url", b.dbURL, "import", "documents", "--org", org, path}, &out, &errOut); status != 0 {
		b.t.Fatalf("import documents: status %d: %s", status, errOut.String())
	}
}

// retrievable is how many documents retrieve asks for in turn.
const retrievable = 200

// retrieve measures a document through the release gate beside asking the site directly. Only documents their sites
// really hold are asked for: most of those that were imported exist in the index alone.
func (b *bencher) retrieve() {
	client, bearer := b.client(), b.bearer("riverside-clinic-emr", treating)
	var handles, direct []string
	for _, g := range b.known {
		site, _ := b.region.Site(g.Site)
		if len(handles) >= retrievable || b.ctx.Err() != nil {
			break
		}
		if g.Site != "riverside-clinic" || g.Documents == 0 {
			continue
		}
		d := b.region.Document(g, 0)
		r := b.search("riverside-clinic", treating, site.Authority+"|"+g.Local, "identifier", "urn:ietf:rfc:3986|"+d.UID)
		found := attachments(b.t, r)
		if len(found) != 1 {
			continue
		}
		if err := fetch(b.ctx, client, http.MethodGet, found[0], bearer, "", nil, http.StatusOK); err != nil {
			b.t.Fatalf("a document its site holds cannot be had: %v", err)
		}
		handles, direct = append(handles, found[0]), append(direct, b.bases[g.Site]+"/Binary/"+d.ID)
	}
	if len(handles) == 0 {
		b.t.Fatal("no document to retrieve")
	}
	one, many := b.run("retrieve a document through the release gate", "", func(ctx context.Context, _, n int) error {
		return fetch(ctx, client, http.MethodGet, handles[n%len(handles)], bearer, "", nil, http.StatusOK)
	})
	bare := b.measure("direct", "", 16, func(ctx context.Context, _, n int) error {
		return fetch(ctx, client, http.MethodGet, direct[n%len(direct)], "", "", nil, http.StatusOK)
	})
	b.add(one)
	b.add(many.Against("the same documents asked of the site itself", bare.PerSecond))
}
