package server

import (
	"context"
	"net/http"
	"regexp"
	"strings"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
)

// VerifyToken establishes who presents an access token. It returns hie.ErrUnauthenticated for a token that is
// not acceptable now and hie.ErrUnavailable when that cannot be told.
type VerifyToken func(ctx context.Context, p access.Presented) (hie.Actor, error)

const (
	actorKey   = "concord actor"
	requestKey = "concord request"
)

var requestIDPattern = regexp.MustCompile(`^[A-Za-z0-9.-]{8,64}$`)

// withRequestID takes the caller's X-Request-Id when it is harmless, else gives one, and echoes it.
func withRequestID(c *gin.Context) {
	id := c.GetHeader("X-Request-Id")
	if !requestIDPattern.MatchString(id) {
		id = uuid.Must(uuid.NewV7()).String()
	}
	c.Set(requestKey, id)
	c.Header("X-Request-Id", id)
}

func requestID(c *gin.Context) string { return c.GetString(requestKey) }

// authenticate establishes the caller from exactly one Authorization header; without one nothing else happens. Whom
// ServeAs vouches for needs none.
func (s *Server) authenticate(c *gin.Context) {
	if actor, ok := inside(c.Request); ok {
		actor.Request = requestID(c)
		s.admit(c, actor)
		return
	}
	headers := c.Request.Header.Values("Authorization")
	if len(headers) != 1 {
		s.refuseToken(c, "no single Authorization header")
		return
	}
	scheme, token, found := strings.Cut(headers[0], " ")
	if !found || !strings.EqualFold(scheme, "Bearer") || token == "" {
		s.refuseToken(c, "not a bearer token")
		return
	}
	actor, err := s.deps.Verify(c.Request.Context(), access.Presented{Token: token, Request: requestID(c), Address: c.RemoteIP()})
	if err != nil {
		s.fail(c, err)
		return
	}
	actor.Request, actor.Address = requestID(c), c.RemoteIP()
	s.admit(c, actor)
}

// admit lets actor act. Who acts in a patient's name must be recorded as one who may, at this moment.
func (s *Server) admit(c *gin.Context, actor hie.Actor) {
	may, err := s.represents(c.Request.Context(), actor, consent.RightsView)
	if err == nil && !may {
		e := audit.NewEvent(audit.Refused, actor, s.deps.Now()).About(actor.Patient)
		e.Outcome, e.Reasons = audit.Refusal, []string{"REPRESENTATIVE"}
		if err = s.deps.Audit.Record(context.WithoutCancel(c.Request.Context()), e); err == nil {
			err = hie.ErrForbidden
		}
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Set(actorKey, actor)
}

// represents reports whether actor may do now what needs rights: whoever acts in nobody else's name may, and who is
// recorded on the patient's record as one who may act for them.
//
// Source: 45 CFR 164.502(g); spec federation 2.7.
func (s *Server) represents(ctx context.Context, actor hie.Actor, need consent.Rights) (bool, error) {
	if actor.Representative == "" {
		return true, nil
	}
	if s.deps.Forms == nil || actor.Patient == 0 {
		return false, nil
	}
	all, err := s.deps.Forms.Representatives(ctx, []hie.SourcePatientID{actor.Patient})
	if err != nil {
		return false, err
	}
	home, err := s.deps.Patients.Home(ctx, actor.Patient)
	if err != nil {
		return false, err
	}
	return !consent.RepresentedUntil(all, actor.Representative, need, s.deps.Now(), s.zoneOf(home.Site)).IsZero(), nil
}

func (s *Server) refuseToken(c *gin.Context, kind string) {
	s.log.InfoContext(c.Request.Context(), "request without acceptable token", "request", requestID(c), "kind", kind)
	s.fail(c, hie.ErrUnauthenticated)
}

// caller returns who asks. Handlers pass it on as an argument.
func caller(c *gin.Context) hie.Actor {
	actor, ok := c.Get(actorKey)
	if !ok {
		return hie.Actor{} // a route outside the authenticated group: may do nothing
	}
	return actor.(hie.Actor)
}

// requireScope lets a request pass whose token grants interaction (one of c r u d s) on resource.
func (s *Server) requireScope(resource string, interaction byte) gin.HandlerFunc {
	return func(c *gin.Context) {
		if !Allows(caller(c).Scopes, resource, interaction) {
			s.fail(c, hie.ErrForbidden)
		}
	}
}

// Allows reports whether scopes grant interaction (one of c r u d s) on resource: SMART v2
// "system/Patient.rs", v1 "system/Patient.read|write|*", and "*" for the resource.
//
// Source: SMART App Launch 2.2, Scopes for requesting FHIR resources.
func Allows(scopes []string, resource string, interaction byte) bool {
	for _, scope := range scopes {
		level, rest, _ := strings.Cut(scope, "/")
		name, rights, found := strings.Cut(rest, ".")
		if !found || (level != "system" && level != "user" && level != "patient") || (name != resource && name != "*") || strings.Contains(rights, "?") {
			continue
		}
		switch rights {
		case "read":
			rights = "rs"
		case "write":
			rights = "cud"
		case "*":
			rights = "cruds"
		}
		if strings.IndexByte(rights, interaction) >= 0 {
			return true
		}
	}
	return false
}

var noCrossOrigin = http.NewCrossOriginProtection()

// sameOrigin refuses what a page of another site makes a browser send to the machine doors; they take bearer tokens,
// so this is a second lock.
func (s *Server) sameOrigin(c *gin.Context) {
	if noCrossOrigin.Check(c.Request) != nil {
		s.refuse(c, http.StatusForbidden, outcome("error", fhir.Issue{Code: "forbidden", Diagnostics: "A page of another site may not call this."}))
	}
}
