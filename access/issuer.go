package access

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
)

// A Codec reads and writes signed tokens. accessjwt has the one implementation.
type Codec interface {
	// ParseAssertion is row 4: it takes a client assertion apart without believing it. The error's text is a fixed
	// phrase that quotes nothing.
	ParseAssertion(compact string) (Assertion, error)
	// VerifyAssertion reports whether key signed a, with the algorithm pinned to the key. For the zero Key it
	// reports false after as much work.
	VerifyAssertion(a Assertion, key Key) bool
	// Mint signs an access token.
	Mint(Grant) (string, error)
	// OpenToken returns what an access token says if its signature is ours. The error's text is a fixed phrase.
	OpenToken(token string) (Grant, error)
}

// Store is what is kept of clients and tokens.
type Store interface {
	// Current returns a picture at most half a second old; hie.ErrUnavailable when none can be had.
	Current(ctx context.Context) (*Snapshot, error)
	// Revoke ends one token and records it as done by actor, in one transaction; again is no error.
	Revoke(ctx context.Context, actor hie.Actor, tokenID string, client hie.ClientID, expires time.Time) error
}

// Recorder commits audit events; an error means that nothing was recorded and nothing may be released.
type Recorder interface {
	Record(ctx context.Context, events ...audit.Event) error
}

// A Config is what issuing and checking tokens rests on. All members are needed, but for Limit and Now.
type Config struct {
	// Issuer is our own name in tokens, TokenURL the token endpoint and FHIRBase what tokens are for. An assertion
	// is addressed to TokenURL (SMART) or to Issuer (RFC 7523bis), as one exact string.
	Issuer, TokenURL, FHIRBase string
	Codec                      Codec
	Store                      Store
	Audit                      Recorder
	// Once claims (client, jti) for ttl, true for the first claim only; hie.ErrUnavailable when that cannot be told.
	// Claims made before since may have been lost.
	Once func(ctx context.Context, client hie.ClientID, jti string, ttl time.Duration) (first bool, since time.Time, err error)
	// Organization and OrganizationByURI read the directory in force.
	Organization      func(hie.OrgID) (Organization, bool)
	OrganizationByURI func(string) (Organization, bool)
	// OpenPatient returns the source patient a public id names; any error refuses.
	OpenPatient func(id string) (hie.SourcePatientID, error)
	// NewID makes token ids; they must not be guessable.
	NewID func() string
	// Limit takes one token request of a client that has proved itself; nil bounds nothing.
	Limit func(ctx context.Context, client hie.ClientID) (ok bool, wait time.Duration)
	Now   func() time.Time
}

// An Issuer is the authorization server: it issues, introspects and revokes tokens.
type Issuer struct {
	cfg Config
	// unproved bounds the audit rows that callers without a good signature can cause.
	unproved bound
	taken    seen
}

// NewIssuer returns an Issuer.
func NewIssuer(cfg Config) *Issuer {
	if cfg.Now == nil {
		cfg.Now = hie.Now
	}
	return &Issuer{cfg: cfg, unproved: bound{perSecond: 100}}
}

// A Request is one request to the authorization server.
type Request struct {
	Form Form
	// Peer is the network address it came from, ID its request id; both for the audit trail.
	Peer, ID string
}

// Issued is a token with what the answer says of it.
type Issued struct {
	Token   string
	Grant   Grant
	Expires time.Duration
}

// attempt collects what is known of a request while it is judged.
type attempt struct {
	actor  hie.Actor
	detail map[string]string
	proved bool
}

// Issue answers a token request. The error is a *[Refusal], or hie.ErrUnavailable when the client store, the replay
// keys or the audit trail do not answer: then no token was issued. Either way and on success what happened has been
// recorded when Issue returns.
//
// Source: spec federation 2.2, in that order.
func (s *Issuer) Issue(ctx context.Context, r Request) (Issued, error) {
	now := s.cfg.Now()
	at := attempt{actor: hie.Actor{Request: r.ID}, detail: map[string]string{"peer": r.Peer, "interaction": "token"}}
	grant, refusal, err := s.decide(ctx, r.Form, now, &at)
	if err != nil {
		return Issued{}, fmt.Errorf("access: issue: %w", err)
	}
	if refusal != nil {
		return Issued{}, s.refused(ctx, refusal, at, now)
	}
	token, err := s.cfg.Codec.Mint(grant)
	if err != nil {
		return Issued{}, fmt.Errorf("access: issue: %w", err)
	}
	e := audit.NewEvent(audit.TokenIssued, at.actor, now)
	e.Detail = at.detail
	if err := s.record(ctx, e); err != nil {
		return Issued{}, fmt.Errorf("access: issue: %w", err)
	}
	return Issued{Token: token, Grant: grant, Expires: TokenLife}, nil
}

// decide walks the rows. A refusal is an answer; an error means that there is none.
func (s *Issuer) decide(ctx context.Context, f Form, now time.Time, at *attempt) (Grant, *Refusal, error) {
	if r := checkForm(f); r != nil {
		return Grant{}, r, nil
	}
	if r := checkGrantType(f); r != nil {
		return Grant{}, r, nil
	}
	snapshot, err := s.cfg.Store.Current(ctx)
	if err != nil {
		return Grant{}, nil, err
	}
	client, assertion, r, err := s.authenticate(ctx, f, snapshot, now, at)
	if r != nil || err != nil {
		return Grant{}, r, err
	}
	scopes, ok := GrantScopes(f.Value("scope"), client.Scopes)
	if !ok {
		return Grant{}, refuse(InvalidScope, "scope missing, malformed or not registered"), nil
	}
	var org Organization
	if assertion.B2B != nil {
		at.note(assertion.B2B)
		org, _ = s.cfg.OrganizationByURI(assertion.B2B.OrganizationID)
	}
	g, r := considerB2B(assertion, client, org, now)
	if r == nil && s.cfg.shutDelegate(client, g.Organization) {
		r = refuse(InvalidGrant, "client's organization not live")
	}
	if r != nil {
		return Grant{}, r, nil
	}
	if g.Patient != "" {
		record, err := s.cfg.OpenPatient(g.Patient)
		if err != nil {
			return Grant{}, refuse(InvalidGrant, "subject is no patient"), nil
		}
		at.actor.Patient = record
	}
	g.Scopes, g.Issuer, g.Audience = scopes, s.cfg.Issuer, s.cfg.FHIRBase
	g = g.stamp(now, snapshot.Killed(g.Client, g.Organization, g.User), s.cfg.NewID())
	actor := g.Actor()
	actor.Request, actor.Patient = at.actor.Request, at.actor.Patient
	at.actor = actor
	return g, nil, nil
}

// authenticate is rows 3 to 12: who signed. Nothing is claimed or written before the signature is good.
//
// Row 12 asks nothing of anybody: a registration cannot require mutual TLS or DPoP, since neither is offered.
func (s *Issuer) authenticate(ctx context.Context, f Form, snapshot *Snapshot, now time.Time, at *attempt) (Client, Assertion, *Refusal, error) {
	fail := func(r *Refusal) (Client, Assertion, *Refusal, error) { return Client{}, Assertion{}, r, nil }
	if r := checkAssertionType(f); r != nil {
		return fail(r)
	}
	a, err := s.cfg.Codec.ParseAssertion(f.Value("client_assertion"))
	if err != nil {
		return fail(refuse(InvalidClient, err.Error()))
	}
	if r := checkHeader(a); r != nil {
		return fail(r)
	}
	client, known := snapshot.Client(hie.ClientID(a.Issuer))
	if known {
		at.detail["claimed_client"] = string(client.ID)
	}
	org, _ := s.cfg.Organization(client.Organization)
	key, refusal := checkClient(a, client, known, org.Active)
	signed := s.cfg.Codec.VerifyAssertion(a, key) // for an unknown client too, so that it takes as long
	if refusal != nil {
		return fail(refusal)
	}
	if !signed {
		return fail(refuse(InvalidClient, "signature wrong"))
	}
	delete(at.detail, "claimed_client")
	at.proved, at.actor.Client, at.actor.Organization = true, client.ID, client.Organization
	at.detail["kid"], at.detail["alg"] = a.Kid, a.Alg
	if r := checkClaims(a, client, f.Value("client_id"), []string{s.cfg.TokenURL, s.cfg.Issuer}, now); r != nil {
		return fail(r)
	}
	if s.cfg.Limit != nil { // before the claim, so that the same assertion may be sent again later
		if ok, wait := s.cfg.Limit(ctx, client.ID); !ok {
			return fail(&Refusal{Code: TooManyRequests, Reason: "too many token requests", Wait: wait})
		}
	}
	first, since, err := s.cfg.Once(ctx, client.ID, a.ID, replayFor(a, now))
	if err != nil {
		return Client{}, Assertion{}, nil, err
	}
	if !first || !s.taken.first(client.ID, a.ID, now) {
		return fail(refuse(InvalidClient, "jti replayed"))
	}
	if forgotten(a, since) { // on another node it may have been taken, before the claims there were lost
		return Client{}, Assertion{}, nil, fmt.Errorf("replay keys are younger than the assertion: %w", hie.ErrUnavailable)
	}
	return client, a, nil, nil
}

// note keeps for auditors what the extension said, in so far as it is harmless text.
func (at *attempt) note(b *B2B) {
	var purposes []string
	for _, p := range b.Purposes {
		purposes = append(purposes, strings.TrimPrefix(p.System+"#"+p.Code, "#"))
	}
	for name, values := range map[string][]string{"purpose_of_use": purposes, "organization_id": {b.OrganizationID},
		"consent_policy": b.ConsentPolicy, "consent_reference": b.ConsentReference} {
		if text := strings.Join(values, " "); text != "" && plainText(text) {
			at.detail[name] = text
		}
	}
}

// refused records a refusal and returns it. When it cannot be recorded the caller learns only that.
func (s *Issuer) refused(ctx context.Context, r *Refusal, at attempt, now time.Time) error {
	e := audit.NewEvent(audit.SignInFailed, at.actor, now)
	e.Outcome, e.Reasons, e.Detail = audit.Refusal, []string{r.Reason}, at.detail
	e.Detail["error"] = r.Code
	if !at.proved {
		unrecorded, ok := s.unproved.take(now)
		if !ok { // the flood is counted, and its extent recorded with the next row
			return &Refusal{Code: TooManyRequests, Reason: r.Reason, Wait: time.Second}
		}
		if unrecorded > 0 {
			e.Detail["unrecorded"] = fmt.Sprint(unrecorded)
		}
	}
	if err := s.record(ctx, e); err != nil {
		return fmt.Errorf("access: %w", err)
	}
	return r
}

func (s *Issuer) record(ctx context.Context, e audit.Event) error {
	if err := s.cfg.Audit.Record(context.WithoutCancel(ctx), e); err != nil {
		return fmt.Errorf("record: %w: %w", hie.ErrUnavailable, err)
	}
	return nil
}

// A bound lets perSecond events of each second through and counts the others.
type bound struct {
	perSecond int

	mu      sync.Mutex
	second  int64
	n       int
	dropped int
}

// take reports whether one more event of now may pass, and how many did not since the last that did.
func (b *bound) take(now time.Time) (dropped int, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := now.Unix(); s != b.second {
		b.second, b.n = s, 0
	}
	if b.n >= b.perSecond {
		b.dropped++
		return 0, false
	}
	b.n++
	dropped, b.dropped = b.dropped, 0
	return dropped, true
}
