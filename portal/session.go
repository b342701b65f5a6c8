package portal

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/hie"
)

// Cookies carry nothing but a random name; what it stands for lies sealed in the keep.
//
// Over TLS their names begin with __Host-, so that no other host and no plain page can set them. A browser accepts that
// prefix only from a secure origin; the one plain origin a node can have is loopback (nodeConfig.check refuses others),
// and there the names go without.
const (
	sessionCookie  = "concord-session"
	flowCookie     = "concord-flow"
	languageCookie = "concord-language"
)

func (p *Portal) cookieName(name string) string {
	if p.secure {
		return "__Host-" + name
	}
	return name
}

// setCookie gives the browser a cookie; age 0 means until it is closed, below 0 removes it.
func (v *visit) setCookie(name, value string, age time.Duration) {
	seconds := int(age / time.Second)
	if age < 0 {
		seconds = -1
	}
	// Lax and not Strict: people come back from the identity provider by a link of another site.
	http.SetCookie(v.c.Writer, &http.Cookie{Name: v.cookieName(name), Value: value, Path: "/", MaxAge: seconds, Secure: v.secure,
		HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// cookie returns a cookie's value, "" when there is none or when there are two: one was planted then.
func (v *visit) cookie(name string) string {
	found := v.c.Request.CookiesNamed(v.cookieName(name))
	if len(found) != 1 {
		return ""
	}
	return found[0].Value
}

// A wireSession is a session as the keep holds it, sealed.
type wireSession struct {
	Actor                 hie.Actor
	Duty                  access.Duty
	Account               string
	Started, Seen, Proved time.Time
	Drafts                map[string]url.Values
	Notice                string
}

const sessionContext = "portal session"

// seenEvery is how often a session's last use is written down: idle ends are that much early at most.
const seenEvery = 15 * time.Second

// load finds the session of the request's cookie. A session that is over, forged or unknown is none; hie.ErrUnavailable
// means that it cannot be told.
func (v *visit) load() error {
	id := v.cookie(sessionCookie)
	if id == "" || v.deps.Sessions == nil {
		return nil
	}
	raw, err := v.deps.Sessions.Get(v.ctx, id)
	if errors.Is(err, hie.ErrNotFound) {
		v.expired = true
		return nil
	}
	if err != nil {
		return err
	}
	plain, err := v.deps.Sealer.Open(sessionContext, string(raw))
	if wrong(err) {
		return nil // not one of ours
	}
	var w wireSession
	if wrong(json.Unmarshal(plain, &w)) {
		return nil // of another version of the program: they sign in again
	}
	s := access.Session{Actor: w.Actor, Duty: w.Duty, Account: w.Account, Started: w.Started, Seen: w.Seen, Proved: w.Proved}
	if !s.Live(v.now) {
		v.expired = true
		return nil
	}
	v.session, v.sessionID, v.drafts, v.notice = s, id, w.Drafts, w.Notice
	return nil
}

// touch notes that the session is used now.
func (v *visit) touch() error {
	if v.now.Sub(v.session.Seen) < seenEvery {
		return nil
	}
	v.session.Seen = v.now
	return v.save()
}

// save writes the session down.
func (v *visit) save() error {
	plain, err := json.Marshal(wireSession{Actor: v.session.Actor, Duty: v.session.Duty, Account: v.session.Account, Started: v.session.Started, Seen: v.session.Seen,
		Proved: v.session.Proved, Drafts: v.drafts, Notice: v.notice})
	if err != nil {
		return err
	}
	return v.deps.Sessions.Put(v.ctx, v.sessionID, []byte(v.deps.Sealer.Seal(sessionContext, plain)), access.SessionIdle+time.Minute)
}

// begin makes s the browser's session under a name nobody knew before, so that a name planted earlier is worth nothing.
func (v *visit) begin(s access.Session) error {
	old := v.sessionID
	v.session, v.sessionID = s, rand.Text()+rand.Text()
	if err := v.save(); err != nil {
		return err
	}
	if old != "" {
		_ = v.deps.Sessions.Remove(v.ctx, old) // else it ends by itself
	}
	v.setCookie(sessionCookie, v.sessionID, 0)
	return nil
}

// end signs out.
func (v *visit) end() error {
	if v.sessionID != "" {
		if err := v.deps.Sessions.Remove(v.ctx, v.sessionID); err != nil {
			return err // saying "signed out" while the session lives would be untrue
		}
	}
	v.setCookie(sessionCookie, "", -1)
	v.session, v.sessionID, v.drafts = access.Session{}, "", nil
	return nil
}

// draft returns what was kept under name in this session, nil for nothing.
func (v *visit) draft(name string) url.Values { return v.drafts[name] }

// keepDraft keeps values under name for the rest of the session; nil forgets it. Forms of several steps live on it, so
// that stepping up in between loses nothing.
func (v *visit) keepDraft(name string, values url.Values) error {
	if v.drafts == nil {
		v.drafts = map[string]url.Values{}
	}
	if values == nil {
		delete(v.drafts, name)
	} else {
		v.drafts[name] = values
	}
	return v.save()
}

// say shows the words of key on the next page.
func (v *visit) say(key string) error {
	v.notice = key
	return v.save()
}

// hold keeps what a browser needs to come back with, for a quarter of an hour, under a cookie of its own.
func (v *visit) hold(ctx context.Context, value any) error {
	plain, err := json.Marshal(value)
	if err != nil {
		return err
	}
	id := rand.Text() + rand.Text()
	if err := v.deps.Sessions.Put(ctx, "flow "+id, []byte(v.deps.Sealer.Seal("portal flow", plain)), 15*time.Minute); err != nil {
		return err
	}
	v.setCookie(flowCookie, id, 15*time.Minute)
	return nil
}

// held takes back what hold kept, once. hie.ErrUnauthenticated means that there is nothing.
func (v *visit) held(into any) error {
	id := v.cookie(flowCookie)
	if id == "" {
		return hie.ErrUnauthenticated
	}
	v.setCookie(flowCookie, "", -1)
	raw, err := v.deps.Sessions.Take(v.ctx, "flow "+id)
	if errors.Is(err, hie.ErrNotFound) {
		return hie.ErrUnauthenticated
	}
	if err != nil {
		return err
	}
	plain, err := v.deps.Sealer.Open("portal flow", string(raw))
	if err != nil || json.Unmarshal(plain, into) != nil {
		return hie.ErrUnauthenticated
	}
	return nil
}
