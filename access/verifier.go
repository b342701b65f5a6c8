package access

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
)

// A Verifier is the resource server's side: it establishes who presents an access token. It is safe for use by many
// goroutines.
type Verifier struct {
	cfg Config
	// bad bounds the audit rows that bad tokens can cause.
	bad bound

	mu     sync.RWMutex
	recent map[[sha256.Size]byte]opened
	older  map[[sha256.Size]byte]opened
}

// opened is a token whose signature is good.
type opened struct {
	grant  Grant
	record hie.SourcePatientID
}

// maxOpened bounds each of the two generations of remembered tokens.
const maxOpened = 8192

// NewVerifier returns a Verifier. Of cfg it uses what checking needs: Issuer, FHIRBase, Codec, Store, Audit,
// Organization and OpenPatient.
func NewVerifier(cfg Config) *Verifier {
	if cfg.Now == nil {
		cfg.Now = hie.Now
	}
	return &Verifier{cfg: cfg, bad: bound{perSecond: 20}, recent: map[[sha256.Size]byte]opened{}, older: map[[sha256.Size]byte]opened{}}
}

// A Presented token is one that came with a request, whose id and network address the audit trail is told when the
// token is turned down.
type Presented struct {
	Token, Request, Address string
}

// Verify returns who presents p. It returns hie.ErrUnauthenticated for one that is not acceptable now, which it
// records, and hie.ErrUnavailable when the picture of clients cannot be had or a refusal cannot be recorded.
//
// The signature is checked once; whether the token, its client and its organisation still count is checked each time,
// against a picture at most half a second old.
//
// Source: spec federation 2.4; RFC 9068 section 4.
func (v *Verifier) Verify(ctx context.Context, p Presented) (hie.Actor, error) {
	now := v.cfg.Now()
	snapshot, err := v.cfg.Store.Current(ctx)
	if err != nil {
		return hie.Actor{}, fmt.Errorf("access: verify: %w", err)
	}
	sum := sha256.Sum256([]byte(p.Token))
	o, known := v.remembered(sum)
	if !known {
		var reason string
		if o, reason = v.cfg.open(p.Token); reason != "" {
			return hie.Actor{}, v.refused(ctx, p, reason, Grant{}, now)
		}
		v.remember(sum, o)
	}
	if reason := v.cfg.check(o.grant, snapshot, now); reason != "" {
		return hie.Actor{}, v.refused(ctx, p, reason, o.grant, now)
	}
	a := o.actor()
	client, _ := snapshot.Client(o.grant.Client) // known: check has looked
	a.Abilities = client.Abilities
	return a, nil
}

func (o opened) actor() hie.Actor {
	a := o.grant.Actor()
	a.Patient = o.record
	return a
}

// open reads a token and makes sure that its signature is ours and that its patient, if it names one, exists for us.
func (c *Config) open(token string) (opened, string) {
	g, err := c.Codec.OpenToken(token)
	if err != nil {
		return opened{}, err.Error()
	}
	o := opened{grant: g}
	if g.Patient != "" {
		if o.record, err = c.OpenPatient(g.Patient); err != nil || o.record == 0 {
			return opened{}, "patient unreadable"
		}
	}
	return o, ""
}

// check says why a token is not acceptable at now, or "".
func (c *Config) check(g Grant, s *Snapshot, now time.Time) string {
	if reason := checkToken(g, c.Issuer, c.FHIRBase, s, now); reason != "" {
		return reason
	}
	if org, known := c.Organization(g.Organization); !known || !org.Active {
		return "organization not active"
	}
	client, _ := s.Client(g.Client)
	switch {
	case !client.Represents(g.Organization, now):
		return "organization not the client's"
	case c.shutDelegate(client, g.Organization):
		return "client's organization not live"
	}
	return ""
}

// shutDelegate reports whether client would act for another organisation while nothing may be disclosed to its own.
func (c *Config) shutDelegate(client Client, org hie.OrgID) bool {
	if client.Organization == org {
		return false
	}
	own, _ := c.Organization(client.Organization)
	return own.Shut
}

func (v *Verifier) refused(ctx context.Context, p Presented, reason string, g Grant, now time.Time) error {
	unrecorded, ok := v.bad.take(now)
	if !ok {
		return fmt.Errorf("access: verify: %w", hie.ErrUnauthenticated)
	}
	actor := g.Actor()
	actor.Request, actor.Address = p.Request, p.Address
	e := audit.NewEvent(audit.SignInFailed, actor, now)
	e.Outcome, e.Reasons, e.Detail = audit.Refusal, []string{reason}, map[string]string{"interaction": "token use"}
	if unrecorded > 0 {
		e.Detail["unrecorded"] = fmt.Sprint(unrecorded)
	}
	if err := v.cfg.Audit.Record(context.WithoutCancel(ctx), e); err != nil {
		return fmt.Errorf("access: verify: %w: %w", hie.ErrUnavailable, err)
	}
	return fmt.Errorf("access: verify: %w", hie.ErrUnauthenticated)
}

func (v *Verifier) remembered(sum [sha256.Size]byte) (opened, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	o, found := v.recent[sum]
	if !found {
		o, found = v.older[sum]
	}
	return o, found
}

// remember keeps a token; when a generation is full the one before it is forgotten, and what is still in use comes
// back at its next use.
func (v *Verifier) remember(sum [sha256.Size]byte, o opened) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.recent) >= maxOpened {
		v.recent, v.older = map[[sha256.Size]byte]opened{}, v.recent
	}
	v.recent[sum] = o
}
