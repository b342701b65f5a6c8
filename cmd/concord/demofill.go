package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/concord-hie/concord/internal/sim"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

const (
	// fillers is how many people are registered, or have documents published, at a time.
	fillers = 8
	// bundleSize is how many documents one transaction publishes.
	bundleSize = 250
)

// What the demo's clients say when they feed the node.
var feeding = asker{purposes: "HOPERAT", scopes: "system/Patient.cruds system/DocumentReference.cruds system/List.cruds system/Consent.cruds system/AuditEvent.c"}

// fill registers the population, publishes its documents, puts the overlay over its record and states the wishes
// of the people of the stories, all through the node's public API. What an earlier run did is not done again; a
// run that was stopped half-way repeats what it finds done without effect.
func (m *demo) fill(ctx context.Context) error {
	todo := m.region.Registrations
	if have := m.state.People; have > 0 {
		if have >= len(m.region.People) {
			todo = nil
		} else {
			for i, g := range m.region.Registrations {
				if g.Person >= have {
					todo = m.region.Registrations[i:] // registrations lie in the order of people
					break
				}
			}
		}
	}
	if len(todo) > 0 {
		if err := m.register(ctx, todo); err != nil {
			return err
		}
		if err := m.publish(ctx, todo); err != nil {
			return err
		}
		m.state.People, m.state.Cast = len(m.region.People), sim.Cast()
	}
	if !m.state.Consents {
		if err := m.overlay(ctx); err != nil {
			return err
		}
		if err := m.stateWishes(ctx); err != nil {
			return err
		}
		if err := m.entrust(ctx); err != nil {
			return err
		}
		if err := m.welcome(ctx); err != nil {
			return err
		}
		m.state.Consents = true
	}
	return m.writeState()
}

// register feeds registrations, those of a person one after the other.
func (m *demo) register(ctx context.Context, todo []sim.Registration) error {
	bar := newProgress(m.s.err, "registering people", len(todo))
	defer bar.end()
	return eachPerson(ctx, todo, func(ctx context.Context, g sim.Registration) error {
		defer bar.add(1)
		return m.putPatient(ctx, g)
	})
}

// putPatient sends one registration as its site's feed does.
//
// Source: IHE PIXm ITI-104 (conditional update by the site's identifier).
func (m *demo) putPatient(ctx context.Context, g sim.Registration) error {
	site, _ := m.region.Site(g.Site)
	target := "/fhir/Patient?identifier=" + url.QueryEscape(site.Authority+"|"+g.Local)
	r, err := m.clients[site.ID+"-feed"].api.call(ctx, feeding, http.MethodPut, target, g.Patient(site), "Prefer", "return=minimal")
	if err != nil {
		return err
	}
	if r.status != http.StatusOK && r.status != http.StatusCreated {
		return fmt.Errorf("demo: a registration of %s was refused: %s", site.ID, r.problem())
	}
	return nil
}

// publish publishes the documents of the sites that publish, in transactions of one patient each.
func (m *demo) publish(ctx context.Context, todo []sim.Registration) error {
	total := 0
	for _, g := range todo {
		if s, _ := m.region.Site(g.Site); s.Publishes {
			total += g.Documents
		}
	}
	bar := newProgress(m.s.err, "publishing documents", total)
	defer bar.end()
	return eachPerson(ctx, todo, func(ctx context.Context, g sim.Registration) error {
		site, _ := m.region.Site(g.Site)
		if !site.Publishes {
			return nil
		}
		for from := 0; from < g.Documents; from += bundleSize {
			to := min(from+bundleSize, g.Documents)
			body := m.provideBundle(site, g, from, to)
			r, err := m.clients[site.ID+"-feed"].api.call(ctx, feeding, http.MethodPost, "/fhir", body)
			if err != nil {
				return err
			}
			if r.status != http.StatusOK {
				return fmt.Errorf("demo: documents of %s were refused: %s", site.ID, r.problem())
			}
			bar.add(to - from)
		}
		return nil
	})
}

// provideBundle returns an ITI-65 transaction with documents from to to-1 of g and their submission set.
//
// Source: IHE MHD 4.2, Provide Document Bundle, Minimal Metadata.
func (m *demo) provideBundle(site sim.Site, g sim.Registration, from, to int) []byte {
	type object = map[string]any
	type entry struct {
		FullURL  string          `json:"fullUrl"`
		Resource json.RawMessage `json:"resource"`
		Request  object          `json:"request"`
	}
	var entries []entry
	var items []object
	last := sim.Today
	for n := from; n < to; n++ {
		d := m.region.Document(g, n)
		full := fmt.Sprintf("urn:uuid:00000000-0000-4000-8000-%012x", n+1) // names the entry within the bundle only
		entries = append(entries, entry{full, d.Reference(m.bases[site.ID]), object{"method": "POST", "url": "DocumentReference"}})
		items = append(items, object{"item": object{"reference": full}})
		last = d.Created
	}
	set, err := json.Marshal(object{"resourceType": "List", "status": "current", "mode": "working", "date": last.Format(time.RFC3339),
		"meta": object{"profile": []string{"https://profiles.ihe.net/ITI/MHD/StructureDefinition/IHE.MHD.Minimal.SubmissionSet"}},
		"extension": []object{{"url": "https://profiles.ihe.net/ITI/MHD/StructureDefinition/ihe-sourceId",
			"valueIdentifier": object{"system": "urn:ietf:rfc:3986", "value": site.OrgURI}}},
		"code":    object{"coding": []object{{"system": "https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes", "code": "submissionset"}}},
		"subject": object{"identifier": object{"system": site.Authority, "value": g.Local}}, "entry": items})
	if err != nil { // maps of strings are always JSON
		panic("demo: " + err.Error())
	}
	entries = append([]entry{{"urn:uuid:00000000-0000-4000-9000-000000000000", set, object{"method": "POST", "url": "List"}}}, entries...)
	body, err := json.Marshal(object{"resourceType": "Bundle", "type": "transaction", "entry": entries,
		"meta": object{"profile": []string{"https://profiles.ihe.net/ITI/MHD/StructureDefinition/IHE.MHD.Minimal.ProvideBundle"}}})
	if err != nil {
		panic("demo: " + err.Error())
	}
	return body
}

// overlay sends the events that put one person's data over another's record.
func (m *demo) overlay(ctx context.Context) error {
	for _, g := range m.region.Overlays {
		if err := m.putPatient(ctx, g); err != nil {
			return err
		}
	}
	return nil
}

// eachPerson calls f for each registration, fillers people at a time, those of one person in order, and returns
// the first error.
func eachPerson(ctx context.Context, todo []sim.Registration, f func(context.Context, sim.Registration) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan []sim.Registration)
	var wg sync.WaitGroup
	for range fillers {
		wg.Go(func() {
			for person := range work {
				for _, g := range person {
					if ctx.Err() != nil {
						return
					}
					if err := f(ctx, g); err != nil {
						cancel(err)
						return
					}
				}
			}
		})
	}
	for from := 0; from < len(todo); {
		to := from + 1
		for to < len(todo) && todo[to].Person == todo[from].Person {
			to++
		}
		select {
		case work <- todo[from:to]:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		from = to
	}
	close(work)
	wg.Wait()
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return ctx.Err()
}

// A progress shows how far a long step is: a bar on a terminal, a line each quarter elsewhere.
type progress struct {
	bar   *progressbar.ProgressBar
	out   io.Writer
	what  string
	total int64
	done  atomic.Int64
	began time.Time
}

func newProgress(out io.Writer, what string, total int) *progress {
	p := &progress{out: out, what: what, total: int64(total), began: time.Now()}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(out), progressbar.OptionSetDescription(what),
			progressbar.OptionShowCount(), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
	}
	return p
}

func (p *progress) add(n int) {
	after := p.done.Add(int64(n))
	if p.bar != nil {
		_ = p.bar.Add(n) // a bar that cannot be drawn is no fault of the work
		return
	}
	if quarter := func(x int64) int64 { return 4 * x / p.total }; quarter(after) > quarter(after-int64(n)) && after < p.total {
		fmt.Fprintf(p.out, "%s: %d of %d\n", p.what, after, p.total)
	}
}

func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
	fmt.Fprintf(p.out, "%s: %d in %s\n", p.what, p.done.Load(), time.Since(p.began).Round(100*time.Millisecond))
}
