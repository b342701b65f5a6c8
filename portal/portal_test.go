package portal

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/access/accessoidc"
	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/opaque"
)

// sources are the package's own files, for tests that read what it says.
var sources fs.FS = os.DirFS(".")

// keep is a Keep in memory; down makes it answer that it cannot tell.
type keep struct {
	mu     sync.Mutex
	values map[string][]byte
	down   bool
}

func (k *keep) Put(_ context.Context, name string, value []byte, _ time.Duration) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.down {
		return hie.ErrUnavailable
	}
	k.values[name] = value
	return nil
}

func (k *keep) Get(_ context.Context, name string) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.down {
		return nil, hie.ErrUnavailable
	}
	v, ok := k.values[name]
	if !ok {
		return nil, hie.ErrNotFound
	}
	return v, nil
}

func (k *keep) Take(ctx context.Context, name string) ([]byte, error) {
	v, err := k.Get(ctx, name)
	if err == nil {
		err = k.Remove(ctx, name)
	}
	return v, err
}

func (k *keep) Remove(_ context.Context, name string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.values, name)
	return nil
}

// provider signs in whoever the test says.
type provider struct {
	id   access.Identity
	err  error
	asks []accessoidc.Ask
}

func (p *provider) Begin(_ context.Context, ask accessoidc.Ask) (string, accessoidc.Flow, error) {
	p.asks = append(p.asks, ask)
	return "https://sign-in.test/authorize", accessoidc.Flow{State: "st", Asked: time.Now(), StepUp: ask.StepUp}, nil
}

func (p *provider) Finish(_ context.Context, f accessoidc.Flow, back url.Values) (access.Identity, error) {
	if p.err != nil || back.Get("state") != f.State {
		return access.Identity{}, errors.Join(p.err, hie.ErrUnauthenticated)
	}
	return p.id, nil
}
func (p *provider) StepUpClass() string                              { return "strong" }
func (p *provider) SignOutURL(_ context.Context, back string) string { return "" }
func (p *provider) Origin() string                                   { return "https://sign-in.test" }

// trail remembers what was recorded.
type trail struct {
	mu     sync.Mutex
	events []audit.Event
}

func (t *trail) Record(_ context.Context, events ...audit.Event) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.events = append(t.events, events...)
	return nil
}

// api answers with what a test sets.
type api struct {
	answer http.HandlerFunc
	actors []hie.Actor
	// hears is what a search that is followed hears before it is answered.
	hears func(heard func(federation.Hearing))
}

func (a *api) FollowAs(w http.ResponseWriter, r *http.Request, actor hie.Actor, heard func(federation.Hearing)) {
	if a.hears != nil {
		a.hears(heard)
	}
	a.ServeAs(w, r, actor)
}

func (a *api) ServeAs(w http.ResponseWriter, r *http.Request, actor hie.Actor) {
	a.actors = append(a.actors, actor)
	if a.answer == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	a.answer(w, r)
}

// forms are the forms every exchange begins with.
type forms struct{}

func (forms) Templates(context.Context) ([]consent.Template, error) {
	return consent.BuiltinTemplates(), nil
}

// world is a portal with everything around it made up.
type world struct {
	*Portal
	t        *testing.T
	keep     *keep
	provider *provider
	trail    *trail
	api      *api
	now      time.Time
	log      bytes.Buffer
}

const testBase = "https://concord.test"

func testNetwork(t *testing.T) *directory.Network {
	t.Helper()
	n, err := directory.NewNetwork(1, []directory.Organization{
		{ID: "network", Name: "The Exchange", Identifier: "urn:org:network", Kind: "network", Active: true},
		{ID: "oak", Name: "Oak Street Practice", Identifier: "urn:org:oak", Kind: "practice", Active: true},
	}, []directory.Site{
		{ID: "oak-main", Org: "oak", Name: "Oak Street", Authorities: []string{"urn:oak"}, Zone: "America/New_York", Active: true, Membership: directory.Live},
		{ID: "elm", Org: "oak", Name: "Elm Clinic", Phone: "410-555-0177", Authorities: []string{"urn:elm"}, Zone: "America/New_York", Active: true, Membership: directory.Live},
		{ID: "oak", Org: "oak", Name: "Oak", Authorities: []string{"urn:oak:annex"}, Zone: "America/New_York", Active: true, Membership: directory.Live},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func newWorld(t *testing.T) *world {
	t.Helper()
	sealer, err := opaque.New(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	n := testNetwork(t)
	w := &world{t: t, keep: &keep{values: map[string][]byte{}}, provider: &provider{}, trail: &trail{}, api: &api{}, now: time.Now().UTC()}
	w.Portal = New(Config{BaseURL: testBase}, Deps{API: w.api, SignIn: w.provider, Sessions: w.keep, Sealer: sealer,
		Network: func() *directory.Network { return n }, Audit: w.trail, Forms: forms{}, Log: slog.New(slog.NewJSONHandler(&w.log, nil)), Now: func() time.Time { return w.now },
		PatientID: func(r hie.SourcePatientID) string { return sealer.ID("patient", int64(r), 0) },
		RecordOf: func(_ context.Context, id hie.Identifier) (hie.SourcePatientID, error) {
			if id.System == "urn:oak" && id.Value == "m-1" {
				return 11, nil
			}
			return 0, hie.ErrNotFound
		}})
	return w
}

func testPortal(t *testing.T) *Portal { return newWorld(t).Portal }

// A browser keeps cookies and says where its requests come from.
type browser struct {
	w       *world
	cookies map[string]string
	site    string // Sec-Fetch-Site
}

func (w *world) browser() *browser {
	return &browser{w: w, cookies: map[string]string{}, site: "same-origin"}
}

func (b *browser) do(method, path string, form url.Values, headers ...string) *httptest.ResponseRecorder {
	b.w.t.Helper()
	r := httptest.NewRequest(method, testBase+path, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if b.site != "" {
		r.Header.Set("Sec-Fetch-Site", b.site)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	rec := httptest.NewRecorder()
	b.w.ServeHTTP(rec, r)
	for _, c := range rec.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
	return rec
}

func (b *browser) get(path string) *httptest.ResponseRecorder { return b.do(http.MethodGet, path, nil) }

// signIn goes through the provider as id.
func (b *browser) signIn(id access.Identity) *httptest.ResponseRecorder {
	b.w.t.Helper()
	b.w.provider.id = id
	if got := b.get("/signin?next=/my").Code; got != http.StatusSeeOther {
		b.w.t.Fatalf("/signin: %d", got)
	}
	return b.get("/signin/return?state=st&code=c")
}

// stepUp proves anew as id.
func (b *browser) stepUp(id access.Identity) *httptest.ResponseRecorder {
	b.w.t.Helper()
	b.w.provider.id = id
	b.get("/signin/again?next=/my")
	return b.get("/signin/return?state=st&code=c")
}

// identities are one account a duty.
func identities() map[access.Duty]access.Identity {
	staff := func(role string) access.Identity {
		return access.Identity{Subject: "u-" + role, Name: "Name of " + role, Organization: "urn:org:oak", Roles: []string{role}}
	}
	maria := access.Identity{Subject: "maria", Name: "Maria Alvarez", Organization: "urn:org:network", Roles: []string{hie.RolePatient},
		Patient: hie.Identifier{System: "urn:oak", Value: "m-1"}}
	return map[access.Duty]access.Identity{access.DutyPatient: maria, access.DutyClinician: staff("physician"), access.DutyDesk: staff("front-desk"), access.DutyHelper: staff(hie.RoleHelper),
		access.DutyPrivacy: staff(hie.RolePrivacyOfficer), access.DutySteward: staff(hie.RoleSteward), access.DutyOperator: staff(hie.RoleOperator),
		access.DutyAuditor: staff(hie.RoleAuditor), access.DutyIntegrator: staff("integrator")}
}
