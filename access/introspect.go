package access

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/concord-hie/concord/hie"
)

// ScopeIntrospect lets a bearer ask about every token.
const ScopeIntrospect = "concord/token.introspect"

// Introspect says whether the token in the request's form is active, and what it grants. Who asks proves itself by a
// client assertion, and then learns of its own tokens only, or by a bearer token with [ScopeIntrospect]. Everything
// else about a token is the same "not active". Errors are those of [Issuer.Issue].
//
// Source: RFC 7662; spec federation 2.4.
func (s *Issuer) Introspect(ctx context.Context, r Request) (Grant, bool, error) {
	now := s.cfg.Now()
	at := attempt{actor: hie.Actor{Request: r.ID}, detail: map[string]string{"peer": r.Peer, "interaction": "introspect"}}
	if refusal := checkForm(r.Form); refusal != nil {
		return Grant{}, false, s.refused(ctx, refusal, at, now)
	}
	snapshot, err := s.cfg.Store.Current(ctx)
	if err != nil {
		return Grant{}, false, fmt.Errorf("access: introspect: %w", err)
	}
	var asker Client
	var refusal *Refusal
	all := len(r.Form.Authorization) > 0
	if all {
		refusal = s.bearer(r.Form, snapshot)
	} else {
		asker, _, refusal, err = s.authenticate(ctx, r.Form, snapshot, now, &at)
	}
	if err != nil {
		return Grant{}, false, fmt.Errorf("access: introspect: %w", err)
	}
	if refusal != nil {
		return Grant{}, false, s.refused(ctx, refusal, at, now)
	}
	o, reason := s.cfg.open(r.Form.Value("token"))
	if reason == "" {
		reason = s.cfg.check(o.grant, snapshot, now)
	}
	if reason != "" || (!all && o.grant.Client != asker.ID) {
		return Grant{}, false, nil
	}
	return o.grant, true, nil
}

// bearer checks that a request carries one acceptable token with [ScopeIntrospect] and no assertion beside it.
func (s *Issuer) bearer(f Form, snapshot *Snapshot) *Refusal {
	if len(f.Authorization) != 1 {
		return refuse(InvalidRequest, "several Authorization headers")
	}
	if f.Value("client_assertion") != "" {
		return refuse(InvalidRequest, "Authorization header beside an assertion")
	}
	scheme, token, _ := strings.Cut(f.Authorization[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return refuse(InvalidClient, "not a bearer token")
	}
	o, reason := s.cfg.open(token)
	if reason == "" {
		reason = s.cfg.check(o.grant, snapshot, s.cfg.Now())
	}
	if reason == "" && !slices.Contains(o.grant.Scopes, ScopeIntrospect) {
		reason = "token lacks " + ScopeIntrospect
	}
	if reason != "" {
		return refuse(InvalidClient, reason)
	}
	return nil
}

// Revoke ends the token in the request's form if it is active and the asking client's own; for any other token it does
// nothing, and tells no difference. Errors are those of [Issuer.Issue].
//
// Source: RFC 7009.
func (s *Issuer) Revoke(ctx context.Context, r Request) error {
	now := s.cfg.Now()
	at := attempt{actor: hie.Actor{Request: r.ID}, detail: map[string]string{"peer": r.Peer, "interaction": "revoke"}}
	refusal := checkForm(r.Form)
	if refusal == nil && len(r.Form.Authorization) > 0 {
		refusal = refuse(InvalidRequest, "Authorization header beside an assertion")
	}
	if refusal == nil && r.Form.Value("token") == "" {
		refusal = refuse(InvalidRequest, "token missing")
	}
	if refusal != nil {
		return s.refused(ctx, refusal, at, now)
	}
	snapshot, err := s.cfg.Store.Current(ctx)
	if err != nil {
		return fmt.Errorf("access: revoke: %w", err)
	}
	client, _, refusal, err := s.authenticate(ctx, r.Form, snapshot, now, &at)
	if err != nil {
		return fmt.Errorf("access: revoke: %w", err)
	}
	if refusal != nil {
		return s.refused(ctx, refusal, at, now)
	}
	o, reason := s.cfg.open(r.Form.Value("token"))
	if reason == "" {
		reason = s.cfg.check(o.grant, snapshot, now)
	}
	if reason != "" || o.grant.Client != client.ID {
		return nil
	}
	if err := s.cfg.Store.Revoke(ctx, at.actor, o.grant.ID, client.ID, o.grant.Expires.Add(2*Skew)); err != nil {
		return fmt.Errorf("access: revoke: %w", err)
	}
	return nil
}
