package access

import (
	"time"

	"github.com/concord-hie/concord/hie"
)

// How long a session and a proof last.
//
// Source: spec federation 2.7.
const (
	// SessionIdle ends a session nobody uses, SessionLife every session.
	SessionIdle = 15 * time.Minute
	SessionLife = 8 * time.Hour
	// StepUpLife is how long somebody who proved anew who they are may do what asks for it.
	StepUpLife = 5 * time.Minute
)

// A Session is somebody signed in. The zero Session is nobody.
type Session struct {
	hie.Private
	Actor hie.Actor
	Duty  Duty
	// Account is how the identity provider names them.
	Account string
	// Started is when they signed in, Seen when they last did something.
	Started, Seen time.Time
	// Proved is when they last proved who they are as stepping up asks, zero when they have not.
	Proved time.Time
}

// Live reports whether the session is one at now. A session from the future is none.
func (s Session) Live(now time.Time) bool {
	return s.Duty != "" && !now.Before(s.Started) && now.Before(s.Started.Add(SessionLife)) && now.Before(s.Seen.Add(SessionIdle))
}

// Ends returns when the session ends if nothing is done from now on.
func (s Session) Ends() time.Time {
	idle, life := s.Seen.Add(SessionIdle), s.Started.Add(SessionLife)
	if life.Before(idle) {
		return life
	}
	return idle
}

// SignedInTo is the duty the person was admitted to, which is another than Duty while they act in a patient's name.
func (s Session) SignedInTo() Duty {
	if s.Actor.Representative != "" {
		return DutyHelper
	}
	return s.Duty
}

// SteppedUp reports whether what asks for a fresh proof of who somebody is may be done at now.
func (s Session) SteppedUp(now time.Time) bool {
	return s.Live(now) && !s.Proved.IsZero() && !now.Before(s.Proved) && now.Before(s.Proved.Add(StepUpLife))
}

// Proves reports whether id is a proof as stepping up asks: of the context class wanted, when one is configured, and
// made after asked, when the person was sent to their provider. A provider that does not say when proves nothing.
func (id Identity) Proves(class string, asked time.Time) bool {
	return !id.ProvedAt.IsZero() && !id.ProvedAt.Before(asked.Truncate(time.Second).Add(-Skew)) && (class == "" || id.Class == class)
}
