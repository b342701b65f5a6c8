package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/access/accesspg"
	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/bench"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/token"
)

// tokens measures the token endpoint beside a handler that only verifies and signs.
func (b *bencher) tokens() {
	client := b.client()
	for _, alg := range []string{token.ES384, token.RS384} {
		goal, rate := "≥ 1,500/s", 4000
		api := b.clients["riverside-clinic-emr"].api
		signer := api.signer
		if alg == token.RS384 {
			goal, rate = "≥ 5,000/s", 9000
			signer = b.addKey("riverside-clinic-emr", alg)
		}
		made := &apiClient{base: b.base, id: api.id, org: api.org, signer: signer}
		forms := b.assertions(made, rate)
		var next atomic.Int64
		f, err := bench.Measure(b.ctx, "token, "+alg, 16, b.d, func(ctx context.Context, _, _ int) error {
			i := int(next.Add(1)) - 1
			if i >= len(forms) {
				return fmt.Errorf("no assertions left: the endpoint is faster than was thought")
			}
			return fetch(ctx, client, http.MethodPost, b.base+"/oauth/token", "", "application/x-www-form-urlencoded", forms[i], http.StatusOK)
		})
		if err != nil {
			b.t.Fatal(err)
		}
		f.Goal = goal
		b.add(f.Against("a handler that verifies and signs and does nothing else", b.bareTokens(made)))
	}
}

// assertions returns the forms of as many token requests as perSecond needs. Signing them costs a client more than the
// check costs the server, so they are made beforehand, each for one use.
func (b *bencher) assertions(c *apiClient, perSecond int) [][]byte {
	forms := make([][]byte, int(float64(perSecond)*b.d.Seconds()*1.2)) // the warm-up is a fifth of the time
	var wg sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(forms); i += workers {
				signed, err := c.assertion(b.base+"/oauth/token", treating, time.Now())
				if err != nil {
					b.t.Error(err)
					return
				}
				forms[i] = []byte(url.Values{"grant_type": {"client_credentials"}, "scope": {treating.scopes}, "client_assertion": {signed},
					"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}}.Encode())
			}
		})
	}
	wg.Wait()
	return forms
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
