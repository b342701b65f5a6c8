package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentfhir"
	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/hie"
	"github.com/gin-gonic/gin"
	"github.com/go-json-experiment/json"
)

// Copies is what sites that enforce for themselves ask. *federation.Copies is one; its methods say what each does.
type Copies interface {
	Copy(ctx context.Context, record hie.SourcePatientID) (federation.HeldCopy, error)
	Changes(ctx context.Context, sites []hie.SiteID, after int64, limit int) (notices []consent.CopyNotice, pending bool, err error)
}

// How long a reader of changes may wait for one, and how often it is looked for meanwhile.
const (
	copyWait = 25 * time.Second
	copyLook = 250 * time.Millisecond
)

// ownSites are the active sites of whoever asks, none for a patient.
func (s *Server) ownSites(actor hie.Actor) (out []hie.SiteID) {
	if actor.Patient != 0 {
		return nil
	}
	for _, site := range s.deps.Network().Sites() {
		if site.Active && site.Org == actor.Organization {
			out = append(out, site.ID)
		}
	}
	return out
}

// requireCopies lets a site's own client pass that was registered for copies.
func (s *Server) requireCopies(c *gin.Context) {
	if actor := caller(c); s.deps.Copies == nil || !slices.Contains(actor.Scopes, "concord/copy.read") || len(s.ownSites(actor)) == 0 {
		s.fail(c, hie.ErrForbidden)
	}
}

// copyNoticeJSON says that what binds a registration changed. version is null when nothing binds it any more.
type copyNoticeJSON struct {
	Patient string    `json:"patient"`
	Version *string   `json:"version"`
	At      time.Time `json:"at"`
}

// copyQuery reads the parameters of a list of changes.
func (s *Server) copyQuery(c *gin.Context) (after int64, count int, wait time.Duration, rules string, err error) {
	count = 100
	for name, values := range c.Request.URL.Query() {
		v := values[0]
		n, notNumber := strconv.Atoi(v)
		switch {
		case len(values) > 1:
			err = hie.Invalid(parameterName(name), "must be given once")
		case name == "after":
			var forged error
			if after, _, forged = s.deps.Sealer.OpenID("copies", v); forged != nil {
				err = hie.Invalid("after", "does not continue this list")
			}
		case name == "count":
			if count = n; notNumber != nil || n < 1 || n > 1000 {
				err = hie.Invalid("count", "must be from 1 to 1000")
			}
		case name == "wait":
			if wait = time.Duration(n) * time.Second; notNumber != nil || n < 0 || wait > copyWait {
				err = hie.Invalid("wait", "must be from 0 to 25 seconds")
			}
		case name == "rules":
			rules = v
		default:
			err = hie.Invalid(parameterName(name), "is not a parameter of this list")
		}
		if err != nil {
			return 0, 0, 0, "", err
		}
	}
	return after, count, wait, rules, nil
}

// listCopyChanges answers GET /admin/v1/consent/copies?after=&count=&wait=&rules=: the caller's registrations of which what binds them
// changed behind after, each once, in an order in which nothing comes before what was read. It waits for one, or for other rules than
// those the caller has.
//
// Source: spec consent 2.19.
func (s *Server) listCopyChanges(c *gin.Context) {
	ctx := c.Request.Context()
	after, count, wait, rules, err := s.copyQuery(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	sites, end := s.ownSites(caller(c)), time.Now().Add(wait)
	out := struct {
		Changes []copyNoticeJSON `json:"changes"`
		Next    string           `json:"next"`
		Pending bool             `json:"pending"`
		Rules   string           `json:"rules"`
	}{Changes: []copyNoticeJSON{}}
	for picture := int64(-1); ; {
		if env := s.deps.ConsentEnv(); env.Version() != picture {
			picture = env.Version()
			_, out.Rules = rulesOf(env, sites)
		}
		notices, pending, err := s.deps.Copies.Changes(ctx, sites, after, count)
		if err != nil {
			s.fail(c, err)
			return
		}
		for _, n := range notices {
			change := copyNoticeJSON{Patient: s.patientID(n.Record), At: n.At}
			if n.Digest != nil {
				version := hex.EncodeToString(n.Digest)
				change.Version = &version
			}
			out.Changes, after = append(out.Changes, change), n.Number
		}
		out.Pending, out.Next = pending, s.deps.Sealer.ID("copies", after, 0)
		if len(notices) > 0 || pending || rules != "" && rules != out.Rules || time.Now().Add(copyLook).After(end) {
			s.sendJSON(c, http.StatusOK, out)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(copyLook):
		}
	}
}

// rulesOf returns the rules that env has for sites, and what stands for them.
func rulesOf(env *consent.Env, sites []hie.SiteID) (consentfhir.SetupJSON, string) {
	out := consentfhir.WriteSetup(env.SetupAt(sites...))
	b, err := json.Marshal(out, json.Deterministic(true))
	if err != nil {
		panic("server: " + err.Error())
	}
	sum := sha256.Sum256(b)
	return out, hex.EncodeToString(sum[:])
}

// readCopyRules answers GET /admin/v1/consent/rules: what decisions about documents of the caller's sites rest on besides copies.
func (s *Server) readCopyRules(c *gin.Context) {
	env := s.deps.ConsentEnv()
	if !env.Open() {
		s.fail(c, hie.ErrUnavailable)
		return
	}
	rules, version := rulesOf(env, s.ownSites(caller(c)))
	s.sendJSON(c, http.StatusOK, struct {
		Version string                `json:"version"`
		Rules   consentfhir.SetupJSON `json:"setup"`
	}{version, rules})
}

// readCopy answers GET /admin/v1/consent/copies/{id}: what binds a registration of the caller's now. Every other patient is not there.
func (s *Server) readCopy(c *gin.Context) {
	ctx, sites := c.Request.Context(), s.ownSites(caller(c))
	record, known := s.patientRecord(c.Param("id"))
	if !known {
		s.fail(c, hie.ErrNotFound)
		return
	}
	sp, err := s.deps.Patients.Record(ctx, record)
	if err == nil && !slices.Contains(sites, sp.Site) {
		err = hie.ErrNotFound
	}
	var out consentfhir.CopyJSON
	if err == nil {
		out, err = s.copyOf(ctx, record, sites)
	}
	if err == nil {
		e := s.consentLook(c, "copy").About(record)
		e.Released = len(out.Consents)
		err = s.deps.Audit.Record(context.WithoutCancel(ctx), e)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	s.sendJSON(c, http.StatusOK, out)
}

// errCopyMoved says that a wish was filed between two looks at it.
var errCopyMoved = errors.New("server: the copy moved")

// copyOf makes the copy of record, anew where a wish was filed meanwhile.
func (s *Server) copyOf(ctx context.Context, record hie.SourcePatientID, sites []hie.SiteID) (out consentfhir.CopyJSON, err error) {
	for range 4 {
		if out, err = s.copyOnce(ctx, record, sites); !errors.Is(err, errCopyMoved) {
			return out, err
		}
	}
	return out, hie.ErrUnavailable
}

func (s *Server) copyOnce(ctx context.Context, record hie.SourcePatientID, sites []hie.SiteID) (consentfhir.CopyJSON, error) {
	_, rules := rulesOf(s.deps.ConsentEnv(), sites)
	held, err := s.deps.Copies.Copy(ctx, record)
	if err != nil {
		return consentfhir.CopyJSON{}, err
	}
	versions, err := s.deps.Consents.Current(ctx, []hie.SourcePatientID{record})
	if err != nil {
		return consentfhir.CopyJSON{}, err
	}
	whole := func(d consent.Directive) ([]byte, error) {
		for _, v := range versions {
			if strconv.FormatInt(v.ID, 10) == d.ID && v.Number == d.Version {
				return consentfhir.Render(v, s.consentID(v))
			}
		}
		return nil, errCopyMoved
	}
	elsewhere := func(d consent.Directive) string {
		id, _ := strconv.ParseInt(d.ID, 10, 64)
		return s.deps.Sealer.ID("elsewhere", int64(record), id)
	}
	out, err := consentfhir.WriteCopy(held.Copy, whole, elsewhere)
	if err != nil {
		return consentfhir.CopyJSON{}, err
	}
	if _, now := rulesOf(s.deps.ConsentEnv(), sites); now != rules {
		return consentfhir.CopyJSON{}, errCopyMoved
	}
	digest := held.Digest()
	out.Patient, out.Version, out.Epoch, out.AsOf, out.Rules = s.patientID(record), hex.EncodeToString(digest[:]), held.Epoch, held.At, rules
	return out, nil
}
