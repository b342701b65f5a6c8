package server

import (
	"context"
	"net/http"

	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/hie"
)

// insideKey holds the caller of a request that came through ServeAs or FollowAs.
type insideKey struct{}

// An insider is who asks from inside, and what hears of each site while a search for documents asks them; nil for nobody.
type insider struct {
	actor hie.Actor
	heard func(federation.Hearing)
}

// ServeAs answers r as ServeHTTP answers a request whose token is actor's. It is the portal's way in: the portal has
// signed a person in itself, and every rule of these doors then holds for them as for any caller, audit included. actor
// is the caller's to vouch for; what Authorization r carries does not count.
func (s *Server) ServeAs(w http.ResponseWriter, r *http.Request, actor hie.Actor) {
	s.FollowAs(w, r, actor, nil)
}

// FollowAs is ServeAs for a search for documents whose caller wants to hear of each site as it answers: heard is called
// as [federation.Query] says of Heard. It waits as long as a query that is followed may, or as Prefer says.
func (s *Server) FollowAs(w http.ResponseWriter, r *http.Request, actor hie.Actor, heard func(federation.Hearing)) {
	s.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), insideKey{}, insider{actor, heard})))
}

// inside returns the actor of a request that came through ServeAs. Only authenticate asks.
func inside(r *http.Request) (hie.Actor, bool) {
	in, ok := r.Context().Value(insideKey{}).(insider)
	return in.actor, ok
}

// follower returns what hears of each site, nil for nobody.
func follower(r *http.Request) func(federation.Hearing) {
	in, _ := r.Context().Value(insideKey{}).(insider)
	return in.heard
}
