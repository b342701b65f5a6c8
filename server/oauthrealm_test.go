package server_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/access/accessjwt"
	"github.com/concord-hie/concord/access/accesspg"
	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/opaque"
	"github.com/concord-hie/concord/internal/pg"
	"github.com/concord-hie/concord/internal/pgtest"
	"github.com/concord-hie/concord/internal/rds"
	"github.com/concord-hie/concord/internal/rds/rdstest"
	"github.com/concord-hie/concord/internal/token"
	"github.com/concord-hie/concord/server"
)

const (
	base     = "https://concord.example.org"
	tokenURL = base + "/oauth/token"
	elmURI   = "https://elm.example.org"
	oakURI   = "https://oak.example.org"
	ashURI   = "https://ash.example.org"
)

// A realm is nodes over one PostgreSQL and one Redis, with two organisations' clients.
type realm struct {
	t      testing.TB
	db     *pg.DB
	store  *accesspg.Store
	redis  rdstest.Server
	sealer *opaque.Sealer
	nodes  []http.Handler
	own    *token.Signer
	keys   map[string]*rawKey // by client id

	mu    sync.Mutex
	skew  time.Duration // how far the nodes' clock is ahead
	orgs  map[hie.OrgID]access.Organization
	audit access.Recorder
}

func newRealm(t testing.TB, nodes int, redis func(testing.TB) rdstest.Server) *realm {
	t.Helper()
	secret := opaque.NewSecret()
	sealer, err := opaque.New(secret)
	if err != nil {
		t.Fatal(err)
	}
	r := &realm{t: t, db: pgtest.DB(t), redis: redis(t), sealer: sealer, own: ownKey(t),
		orgs: map[hie.OrgID]access.Organization{
			"elm": {ID: "elm", Identifier: elmURI, Name: "Elm Street Practice", Active: true},
			"oak": {ID: "oak", Identifier: oakURI, Name: "Oak Hospital", Active: true},
			"ash": {ID: "ash", Identifier: ashURI, Name: "Ash Clinic", Active: true},
		}}
	if err := rdstest.Open(t, r.redis).Remembers(context.Background(), "jti", time.Now().Add(-access.ReplayWindow)); err != nil {
		t.Fatal(err)
	}
	r.audit = auditpg.New(r.db)
	for id, o := range r.orgs {
		_, err := r.db.Exec(context.Background(), `insert into directory.organization (org_id, name, identifier, kind, jurisdiction, active)
			values ($1, $2, $3, 'practice', '', true)`, string(id), o.Name, o.Identifier)
		if err != nil {
			t.Fatal(err)
		}
	}
	r.keys = maps.Clone(realmKeys())
	r.store = accesspg.New(r.db)
	r.apply(r.clients()...)
	for range nodes {
		r.nodes = append(r.nodes, r.node())
	}
	return r
}

// realmKeys are the clients' keys, made once: RSA keys take their time.
var realmKeys = sync.OnceValue(func() map[string]*rawKey {
	out := map[string]*rawKey{}
	for id, alg := range map[string]string{"elm-emr": token.ES384, "elm-rsa": token.RS384, "oak-emr": token.ES256, "elm-app": token.PS384,
		"elm-old": token.ES384, "elm-desk": token.ES384} {
		k, err := makeKey(alg)
		if err != nil {
			panic(err)
		}
		out[id] = k
	}
	return out
})

func ownKey(t testing.TB) *token.Signer {
	t.Helper()
	s, err := token.Generate(token.ES256)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A rawKey signs with the standard library alone, whatever it is given: an implementation apart from ours.
type rawKey struct {
	alg     string
	private crypto.Signer
	public  token.PublicKey
}

func newKey(t testing.TB, alg string) *rawKey {
	t.Helper()
	k, err := makeKey(alg)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func makeKey(alg string) (*rawKey, error) {
	k := &rawKey{alg: alg}
	var err error
	switch alg {
	case token.ES256:
		k.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case token.ES384:
		k.private, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	default:
		k.private, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		return nil, err
	}
	s, err := token.NewSigner(k.private, "", alg)
	if err != nil {
		return nil, err
	}
	k.public = s.Public()
	return k, nil
}

func (k *rawKey) sign(input []byte) []byte {
	hash := crypto.SHA384
	if k.alg == token.ES256 || k.alg == "RS256" {
		hash = crypto.SHA256
	}
	h := hash.New()
	h.Write(input)
	digest := h.Sum(nil)
	var sig []byte
	var err error
	switch key := k.private.(type) {
	case *ecdsa.PrivateKey:
		var r, s *big.Int
		size := (key.Curve.Params().BitSize + 7) / 8
		if r, s, err = ecdsa.Sign(rand.Reader, key, digest); err == nil {
			sig = append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
		}
	case *rsa.PrivateKey:
		if k.alg == token.PS384 {
			sig, err = rsa.SignPSS(rand.Reader, key, hash, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		} else {
			sig, err = rsa.SignPKCS1v15(rand.Reader, key, hash, digest)
		}
	}
	if err != nil {
		panic(err)
	}
	return sig
}

func (r *realm) clients() []access.Client {
	client := func(id string, org hie.OrgID, status access.Status) access.Client {
		return access.Client{ID: hie.ClientID(id), Name: id, Organization: org, Status: status,
			Keys:     accessjwt.Keys([]token.PublicKey{r.keys[id].public}),
			Scopes:   []string{"system/DocumentReference.rs", "system/Patient.rs"},
			Purposes: []hie.Purpose{"TREAT", "BTG"}, Roles: []string{"physician", "urn:oid:2.16.840.1.113883.6.101#207Q00000X"}}
	}
	app := client("elm-app", "elm", access.Active)
	app.Roles, app.PatientAccess, app.Scopes, app.Purposes = nil, true, []string{"patient/DocumentReference.rs"}, []hie.Purpose{"PATRQT"}
	desk := client("elm-desk", "elm", access.Active)
	desk.Scopes = []string{access.ScopeIntrospect}
	return []access.Client{client("elm-emr", "elm", access.Active), client("elm-rsa", "elm", access.Active), client("oak-emr", "oak", access.Active),
		client("elm-old", "elm", access.Suspended), app, desk}
}

func (r *realm) apply(clients ...access.Client) {
	r.t.Helper()
	if _, err := r.store.Apply(context.Background(), hie.Actor{User: "test"}, clients, false); err != nil {
		r.t.Fatal(err)
	}
}

// node makes one more node, with a store and a Redis connection of its own.
func (r *realm) node() http.Handler {
	c := rdstest.Open(r.t, r.redis)
	cfg := r.config(c)
	codec := accessjwt.New(r.own)
	return server.New(server.Config{BaseURL: base}, server.Deps{Verify: access.NewVerifier(cfg).Verify, Tokens: access.NewIssuer(cfg),
		KeySet: codec.KeySet(), Sealer: r.sealer, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Now: r.now})
}

func (r *realm) config(c *rds.Client) access.Config {
	return access.Config{Issuer: base, TokenURL: tokenURL, FHIRBase: base + "/fhir", Codec: accessjwt.New(r.own), Store: accesspg.New(r.db),
		Audit: r.audit, Now: r.now, NewID: rand.Text,
		Once: func(ctx context.Context, client hie.ClientID, jti string, ttl time.Duration) (bool, time.Time, error) {
			return c.Once(ctx, "jti", ttl, string(client), jti)
		},
		Organization: func(id hie.OrgID) (access.Organization, bool) {
			r.mu.Lock()
			defer r.mu.Unlock()
			o, ok := r.orgs[id]
			return o, ok
		},
		OrganizationByURI: func(uri string) (access.Organization, bool) {
			r.mu.Lock()
			defer r.mu.Unlock()
			for _, o := range r.orgs {
				if o.Identifier == uri {
					return o, true
				}
			}
			return access.Organization{}, false
		},
		OpenPatient: func(id string) (hie.SourcePatientID, error) {
			a, b, err := r.sealer.OpenID("patient", id)
			if err == nil && b != 0 {
				err = opaque.ErrForged
			}
			return hie.SourcePatientID(a), err
		}}
}

func (r *realm) now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return hie.Now().Add(r.skew)
}

func (r *realm) setSkew(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.skew = d
}

func (r *realm) setActive(org hie.OrgID, active bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.orgs[org]
	o.Active = active
	r.orgs[org] = o
}

// A post is one request to the authorization server, as an attacker may bend it.
type post struct {
	realm  *realm
	client string
	signer *rawKey
	header map[string]any
	claims map[string]any
	b2b    map[string]any
	form   url.Values
	http   http.Header
	method string
	path   string
	// rewrite changes the finished assertion, body the finished form.
	rewrite func(string) string
	body    func(string) string
	node    int
}

func (r *realm) post(client string) *post {
	now := time.Now()
	s := r.keys[client]
	p := &post{realm: r, client: client, signer: s, method: http.MethodPost, path: "/oauth/token",
		header: map[string]any{"alg": s.alg, "kid": s.public.Kid, "typ": "JWT"},
		claims: map[string]any{"iss": client, "sub": client, "aud": tokenURL, "jti": rand.Text(), "exp": now.Add(4 * time.Minute).Unix()},
		b2b: map[string]any{"version": "1", "organization_id": elmURI, "purpose_of_use": []any{access.ActReasonOID + "#TREAT"},
			"subject_id": "dr-lee", "subject_name": "Dr. Lee", "subject_role": "physician"},
		form: url.Values{"grant_type": {"client_credentials"}, "scope": {"system/DocumentReference.rs"},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}},
		http: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}}
	if client == "oak-emr" {
		p.b2b["organization_id"] = oakURI
	}
	return p
}

// assertion signs the header as it stands, whatever it says.
func (p *post) assertion() string {
	if p.b2b != nil {
		p.claims["extensions"] = map[string]any{"hl7-b2b": p.b2b}
	}
	return p.sign(mustJSON(p.header), mustJSON(p.claims))
}

func (p *post) sign(header, claims []byte) string {
	enc := base64.RawURLEncoding.EncodeToString
	signed := enc(header) + "." + enc(claims)
	return signed + "." + enc(p.signer.sign([]byte(signed)))
}

func (p *post) request() *http.Request {
	form := maps.Clone(p.form)
	if form.Get("client_assertion") == "" {
		a := p.assertion()
		if p.rewrite != nil {
			a = p.rewrite(a)
		}
		form.Set("client_assertion", a)
	}
	body := form.Encode()
	if p.body != nil {
		body = p.body(body)
	}
	req := httptest.NewRequest(p.method, p.path, strings.NewReader(body))
	req.Header = p.http.Clone()
	return req
}

type answer struct {
	status int
	header http.Header
	raw    string
	body   map[string]any
}

func (a answer) str(name string) string { s, _ := a.body[name].(string); return s }

func (p *post) send() answer { return p.realm.do(p.node, p.request()) }

func (r *realm) do(node int, req *http.Request) answer {
	w := httptest.NewRecorder()
	r.nodes[node].ServeHTTP(w, req)
	a := answer{status: w.Code, header: w.Header(), raw: w.Body.String()}
	_ = json.Unmarshal(w.Body.Bytes(), &a.body) // not every answer is JSON
	return a
}

// fhir asks with a token for what no token here allows: 403 means that the token was good, 401 that it was not.
func (r *realm) fhir(node int, headers ...string) answer {
	req := httptest.NewRequest(http.MethodGet, "/fhir/Endpoint/none", nil)
	for _, h := range headers {
		req.Header.Add("Authorization", h)
	}
	return r.do(node, req)
}

// lastAudit returns kind and reasons of the newest audit event.
func (r *realm) lastAudit() (kind string, reasons []string, body string) {
	r.t.Helper()
	var raw []byte
	if err := r.db.QueryRow(context.Background(), `select body from audit.event order by recorded desc, id desc limit 1`).Scan(&raw); err != nil {
		r.t.Fatal(err)
	}
	var e struct {
		Kind    string
		Reasons []string
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		r.t.Fatal(err)
	}
	return e.Kind, e.Reasons, string(raw)
}

func (r *realm) events() (n int) {
	r.t.Helper()
	if err := r.db.QueryRow(context.Background(), `select count(*) from audit.event`).Scan(&n); err != nil {
		r.t.Fatal(err)
	}
	return n
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
