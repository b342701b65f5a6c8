package federationhttp

import (
	"bytes"
	"context"
	"crypto/sha1"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentjson"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/egress"
	"github.com/concord-hie/concord/locator"
	"github.com/concord-hie/concord/mpi"
)

// onePerson is an index of one person with a record at every site.
type onePerson struct{ mpi.Person }

func (p onePerson) Resolve(context.Context, hie.Identifier) (mpi.Person, error) { return p.Person, nil }
func (p onePerson) PersonOf(context.Context, hie.SourcePatientID) (mpi.Person, error) {
	return p.Person, nil
}
func (p onePerson) Versions(context.Context, []hie.PersonID) (map[hie.PersonID]int64, error) {
	return map[hie.PersonID]int64{p.ID: p.Version}, nil
}

// shelf is a locator store that holds at most one document.
type shelf struct {
	locator.Store
	doc *locator.Pointer
}

func (s shelf) Presence(context.Context, []hie.SourcePatientID) ([]locator.Presence, error) {
	return nil, nil
}
func (s shelf) Rows(context.Context, hie.SourcePatientID, locator.Query) ([]locator.Pointer, error) {
	return nil, nil
}
func (s shelf) Read(context.Context, locator.Ref) (locator.Pointer, error) { return *s.doc, nil }

// forgetful keeps nothing.
type forgetful struct{ federation.Handles }

func (forgetful) Keep(context.Context, []locator.Pointer, time.Time, time.Time) error { return nil }

// bench returns an exchange of n live sites that all answer at h.
func unmoved(records []hie.SourcePatientID) map[hie.SourcePatientID]int64 {
	out := make(map[hie.SourcePatientID]int64, len(records))
	for _, r := range records {
		out[r] = 0
	}
	return out
}

func bench(b *testing.B, n int, h http.Handler, doc *locator.Pointer) *federation.Exchange {
	b.Helper()
	srv := httptest.NewServer(h)
	b.Cleanup(srv.Close)
	orgs := []directory.Organization{{ID: "asker", Name: "asker", Identifier: "urn:org:asker", Active: true}}
	var (
		sites []directory.Site
		p     = mpi.Person{ID: 1, Version: 1}
	)
	for i := range n {
		id := fmt.Sprintf("s%d", i)
		orgs = append(orgs, directory.Organization{ID: hie.OrgID(id), Name: id, Identifier: "urn:org:" + id, Active: true})
		sites = append(sites, directory.Site{ID: hie.SiteID(id), Org: hie.OrgID(id), Name: id, Authorities: []string{"urn:" + id}, Zone: "UTC", Labelled: true, Active: true, Membership: directory.Live,
			Endpoints: []directory.Endpoint{{ID: id, Protocol: "fhir-r4", Address: srv.URL + "/" + id, Permits: 20}}})
		p.Members = append(p.Members, mpi.Member{Record: hie.SourcePatientID(i + 1), Site: hie.SiteID(id), Local: hie.Identifier{System: "urn:" + id, Value: "1"}, Link: hie.LinkConfirmed})
	}
	network, err := directory.NewNetwork(1, orgs, sites, []directory.Default{{Network: true, PurposeClass: "*", Category: "*", Rule: "permit"}})
	if err != nil {
		b.Fatal(err)
	}
	options, err := consentjson.Options(time.Now())
	if err != nil {
		b.Fatal(err)
	}
	env, err := consent.FromNetwork(network, options)
	if err != nil {
		b.Fatal(err)
	}
	guard, err := egress.New(egress.Options{Allow: []string{"127.0.0.0/8"}, PerHost: 4096})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(guard.Close)
	current := func() *directory.Network { return network }
	return federation.New(federation.Parts{
		Patients: onePerson{p}, Holdings: locator.New(shelf{doc: doc}, current, hie.NewIDs(nil), nil), Handles: forgetful{},
		Directives: func(_ context.Context, records []hie.SourcePatientID) (consent.OnFile, error) {
			return consent.OnFile{Epochs: unmoved(records)}, nil
		},
		Epochs: func(_ context.Context, records []hie.SourcePatientID) (map[hie.SourcePatientID]int64, error) {
			return unmoved(records), nil
		},
		Sites:  New(Options{Guard: guard, Network: current, Log: slog.New(slog.DiscardHandler)}),
		Record: func(context.Context, ...audit.Event) error { return nil }, Network: current, Env: func() *consent.Env { return env },
		DocumentID: func(r locator.Ref) string { return r.ID.String() },
	})
}

var asker = hie.Actor{Organization: "asker", Client: "c", User: "u", Roles: []string{"physician"}, Purposes: []hie.Purpose{hie.PurposeTreat}}

// BenchmarkFanOut asks 100 sites that take 100 ms, 20 queries at once, over real connections in this one process, which
// is all the sites as well. It reports what a query takes beyond the slowest site; "bare" is the ceiling: the same
// requests, their answers read and thrown away.
func BenchmarkFanOut(b *testing.B) {
	const sites, queries, think = 100, 20, 100 * time.Millisecond
	site := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(think)
		answer(bundle("", docRef(1, "")))(w, r)
	})
	run := func(b *testing.B, query func() error) {
		var (
			mu   sync.Mutex
			over []time.Duration
		)
		round := func() {
			var wg sync.WaitGroup
			for range queries {
				wg.Go(func() {
					start := time.Now()
					err := query()
					took := time.Since(start)
					mu.Lock()
					defer mu.Unlock()
					over = append(over, took-think)
					if err != nil {
						b.Error(err)
					}
				})
			}
			wg.Wait()
		}
		round() // opens the connections
		over = over[:0]
		for b.Loop() {
			round()
		}
		slices.Sort(over)
		b.ReportMetric(float64(over[len(over)/2].Microseconds())/1000, "ms-over-p50")
		b.ReportMetric(float64(over[len(over)*99/100].Microseconds())/1000, "ms-over-p99")
	}
	b.Run("bare", func(b *testing.B) {
		srv := httptest.NewServer(site)
		defer srv.Close()
		guard, err := egress.New(egress.Options{Allow: []string{"127.0.0.0/8"}, PerHost: 4096})
		if err != nil {
			b.Fatal(err)
		}
		defer guard.Close()
		run(b, func() error {
			var wg sync.WaitGroup
			for range sites {
				wg.Go(func() {
					req, err := http.NewRequest(http.MethodPost, srv.URL, strings.NewReader("patient.identifier=x"))
					if err != nil {
						return
					}
					if resp, err := guard.Do(req); err == nil {
						_, _ = io.Copy(io.Discard, resp.Body)
						_ = resp.Body.Close()
					}
				})
			}
			wg.Wait()
			return nil
		})
	})
	b.Run("query", func(b *testing.B) {
		x := bench(b, sites, site, nil)
		run(b, func() error {
			f, err := x.Find(context.Background(), asker, federation.Query{Record: 1, Limit: 200})
			if err == nil && len(f.Silent) > 0 {
				err = fmt.Errorf("%d sites silent", len(f.Silent))
			}
			return err
		})
	})
}

// BenchmarkRetrieve passes a document of 64 MiB through the gate and the proof; "bare" copies the same bytes from the
// same site without either.
func BenchmarkRetrieve(b *testing.B) {
	doc := bytes.Repeat([]byte("0123456789abcdef"), 4<<20)
	sum := sha1.Sum(doc)
	site := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", fmt.Sprint(len(doc)))
		_, _ = w.Write(doc)
	})
	b.Run("bare", func(b *testing.B) {
		srv := httptest.NewServer(site)
		defer srv.Close()
		b.SetBytes(int64(len(doc)))
		for b.Loop() {
			resp, err := http.Get(srv.URL)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				b.Fatal(err)
			}
			_ = resp.Body.Close()
		}
	})
	b.Run("proved", func(b *testing.B) {
		p := &locator.Pointer{Record: 1, ID: 9, Site: "s0", Status: locator.Current, ContentType: "text/plain", Size: int64(len(doc)), Hash: sum[:],
			Kind: locator.KindOf(nil, nil, nil, true), Location: locator.Location{Site: "s0", Endpoint: "s0", Path: "Binary/9"}}
		x := bench(b, 1, site, p)
		b.SetBytes(int64(len(doc)))
		for b.Loop() {
			d, err := x.Retrieve(context.Background(), asker, federation.Handle{Ref: p.Ref()})
			if err != nil {
				b.Fatal(err)
			}
			if err := d.Pass(context.Background(), io.Discard); err != nil {
				b.Fatal(err)
			}
			_ = d.Close()
		}
	})
}
