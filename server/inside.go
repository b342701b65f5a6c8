package server

import (
	"context"
	"net/http"

	"github.com/concord-hie/concord/hie"
)

// insideKey holds the actor of a request that came through ServeAs.
type insideKey struct{}

// ServeAs answers r as ServeHTTP answers a request whose token is actor's. It is the portal's way in: the portal has
// signed a person in itself, and every rule of these doors then holds for them as for any caller, audit included. actor
// is the caller's to vouch for; what Authorization r carries does not count.
func (s *Server) ServeAs(w http.ResponseWriter, r *http.Request, actor hie.Actor) {
	s.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), insideKey{}, actor)))
}

// inside returns the actor of a request that came through ServeAs. Only authenticate asks.
func inside(r *http.Request) (hie.Actor, bool) {
	actor, ok := r.Context().Value(insideKey{}).(hie.Actor)
	return actor, ok
}
