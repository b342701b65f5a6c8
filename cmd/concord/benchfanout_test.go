package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
)

// fanOut measures what a query of 100 sites takes beyond the slowest of them, 20 queries at a time, each about another
// person known to all of the sites: the whole way of DESIGN section 2. All sites are in this process, answer after the same
// time, and share two processors with everything else; the ceiling is the same requests sent and their answers thrown away.
//
// Source: spec federation section 6, goal 1.
func (b *bencher) fanOut() {
	const sites, queries, think = 100, 20, 200 * time.Millisecond
	began := time.Now()
	var slowest atomic.Int64 // what a site took in fact, by its own clock, in milliseconds
	addresses := b.slowSites(sites, think, &slowest)
	authorities := b.enlist(addresses)
	people := b.knownEverywhere(authorities, queries)
	b.t.Logf("%d sites know %d people after %s", sites, queries, time.Since(began).Round(100*time.Millisecond))

	client, bearer := b.client(), b.bearer("riverside-clinic-emr", treating)
	targets := make([]string, len(people))
	for i, local := range people {
		targets[i] = b.base + "/fhir/DocumentReference?" + url.Values{"patient.identifier": {authorities[0] + "|" + local}, "status": {"current"}}.Encode()
	}
	if n := total(b.t, b.must(http.StatusOK, "riverside-clinic-emr", treating, http.MethodGet, targets[0], nil)); n == 0 {
		b.t.Fatal("the sites' documents are not found, so nothing would be measured")
	}
	f := b.measure("fan-out, 100 sites x 20 queries, beyond the sites' own 200 ms", "p99 ≤ 25 ms", queries, func(ctx context.Context, caller, _ int) error {
		return fetch(ctx, client, http.MethodGet, targets[caller], bearer, "", nil, http.StatusOK)
	})
	form := []byte(url.Values{"patient.identifier": {authorities[0] + "|" + people[0]}, "status": {"current"}, "_count": {"200"}}.Encode())
	bare := b.measure("bare", "", queries, func(ctx context.Context, _, _ int) error {
		var wg sync.WaitGroup
		errs := make([]error, sites)
		for i, address := range addresses {
			wg.Go(func() {
				errs[i] = fetch(ctx, client, http.MethodPost, address+"/DocumentReference/_search", "", "application/x-www-form-urlencoded", form, http.StatusOK)
			})
		}
		wg.Wait()
		for _, err := range errs {
			if err != nil {
				return err
			}
		}
		return nil
	})
	beyond := func(ms float64) float64 { return ms - think.Seconds()*1000 }
	f.P50, f.P95, f.P99 = beyond(f.P50), beyond(f.P95), beyond(f.P99)
	f.Note = fmt.Sprintf("the bare requests take %.1f ms (p50) and %.1f ms (p99) beyond the sites' 200 ms; the slowest single answer took %d ms by its site's clock",
		beyond(bare.P50), beyond(bare.P99), slowest.Load())
	b.add(f.Against("the same requests and nothing else", bare.PerSecond))
}

// slowSites serves n sites that answer every search with one document after think, and returns their FHIR bases.
func (b *bencher) slowSites(n int, think time.Duration, slowest *atomic.Int64) []string {
	b.t.Helper()
	var out []string
	for i := range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.t.Fatal(err)
		}
		base := "http://" + l.Addr().String() + "/fhir"
		answer := fmt.Appendf(nil, `{"resourceType":"Bundle","type":"searchset","total":1,"entry":[{"search":{"mode":"match"},"resource":{"resourceType":"DocumentReference","status":"current",
"id":"d%[2]d","masterIdentifier":{"system":"urn:ietf:rfc:3986","value":"urn:bench:live:%[2]d"},"date":"2026-10-01T10:00:00Z",
"type":{"coding":[{"system":"http://loinc.org","code":"34133-9"}]},"category":[{"coding":[{"system":"http://loinc.org","code":"34133-9"}]}],
"securityLabel":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"N"}]}],
"content":[{"attachment":{"contentType":"text/plain","url":"%[1]s/Binary/d%[2]d","size":3,"hash":"qZk+NkcGgWq6PiVxeFDCbJzQ2J0="}}]}}]}`, base, i)
		srv := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			start := time.Now()
			time.Sleep(think)
			w.Header().Set("Content-Type", "application/fhir+json")
			_, _ = w.Write(answer)
			took := time.Since(start).Milliseconds()
			for old := slowest.Load(); took > old && !slowest.CompareAndSwap(old, took); old = slowest.Load() {
			}
		})}
		go func() { _ = srv.Serve(l) }()
		b.t.Cleanup(func() { _ = srv.Close() })
		out = append(out, base)
	}
	return out
}

// enlist adds a site that does not publish for each address, and returns their authorities.
func (b *bencher) enlist(addresses []string) []string {
	b.t.Helper()
	f := demoDirectory(b.region.Sites, b.bases)
	f.Organizations = append(f.Organizations, directory.Organization{ID: "slow", Name: "Slow Clinics", Identifier: "https://slow.example.org", Kind: "practice", Jurisdiction: "US-MD", Active: true})
	var authorities []string
	for i, address := range addresses {
		authority, id := fmt.Sprintf("https://slow.example.org/site/%d", i), fmt.Sprintf("slow-%d", i)
		authorities = append(authorities, authority)
		f.Sites = append(f.Sites, directory.Site{ID: hie.SiteID(id), Org: "slow", Name: id, Authorities: []string{authority}, Zone: "America/New_York", Labelled: true, Active: true,
			Endpoints: []directory.Endpoint{{ID: id + "-fhir", Protocol: "fhir-r4", Address: address, Permits: 20}}})
	}
	b.signOn(f)
	b.addClient("slow-feed", "slow", "https://slow.example.org", feedScopes)
	return authorities
}

// knownEverywhere registers n people with each authority, all under the same local id, and returns those.
func (b *bencher) knownEverywhere(authorities []string, n int) []string {
	b.t.Helper()
	client, bearer := b.client(), b.bearer("slow-feed", feeding)
	locals := make([]string, n)
	var wg sync.WaitGroup
	for p := range n {
		locals[p] = fmt.Sprintf("EVERYWHERE-%d", p)
		wg.Go(func() {
			for _, authority := range authorities {
				body := fmt.Appendf(nil, `{"resourceType":"Patient","identifier":[{"system":"%s","value":"%s"},{"system":"http://hl7.org/fhir/sid/us-ssn","value":"21%d-4%d-6%03d"}],
"name":[{"family":"%s","given":["%s"]}],"gender":"female","birthDate":"19%d-03-1%d","telecom":[{"system":"phone","value":"410555%04d"}],
"address":[{"line":["%d Everywhere Lane"],"city":"Baltimore","state":"MD","postalCode":"212%02d"}]}`,
					authority, locals[p], p%10, p%10, 100+p, rareNames[p%len(rareNames)]+strings.ToLower(rareNames[(p*7+3)%len(rareNames)]), rareNames[(p*5+1)%len(rareNames)], 40+p, p%10, 1000+p, 10+p, p)
				if err := fetch(b.ctx, client, http.MethodPut, b.base+"/fhir/Patient?identifier="+url.QueryEscape(authority+"|"+locals[p]), bearer, "application/fhir+json",
					body, http.StatusCreated, http.StatusOK); err != nil {
					b.t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return locals
}

// rareNames are parts of names that the made-up people do not have.
var rareNames = []string{"Quill", "Zephyr", "Umber", "Thistle", "Vesper", "Ondine", "Kestrel", "Larkspur", "Juniper", "Isolde", "Halcyon"}
