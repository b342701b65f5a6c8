package portal

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/gin-gonic/gin"
)

// A route is one page or action.
type route struct {
	method, path string
	// duties are those it is for; nil with open false is everybody who has signed in.
	duties []access.Duty
	// open is for everybody, signed in or not.
	open bool
	// stepUp asks for a proof of who somebody is made in the last minutes; again is the page they are led back to when
	// they have given it, with :names as in path, "" for the route itself, which is then a GET.
	stepUp bool
	again  string
	// self is for the patient alone and not for who acts in their name; manage is for these when they may decide too.
	self, manage bool
	// body bounds what is sent with it, in bytes; 0 is 1 MiB.
	body int64
	// passive requests are made by pages on their own and do not keep a session alive.
	passive bool
	// nav is the word under which it stands in the navigation of its duties, "" for not at all.
	nav string
	do  func(*visit) error
}

// A visit is one request of somebody's browser, with who they are.
type visit struct {
	*Portal
	c *gin.Context
	// ctx ends when the browser goes.
	ctx context.Context //nolint:containedctx // a visit is one request and ends with it
	now time.Time
	// session is who is signed in, the zero Session for nobody; expired says that there was one.
	session   access.Session
	sessionID string
	expired   bool
	drafts    map[string]url.Values
	notice    string
	language  string
}

// Errors of the portal's own.
var (
	errMethod    = errors.New("portal: no such action here")
	errCrossSite = errors.New("portal: sent by another site")
	errExpired   = errors.New("portal: the session has ended")
	errStepUp    = errors.New("portal: needs a fresh proof")
)

// handle wraps a route: who is it, may they, then do.
func (p *Portal) handle(r route) gin.HandlerFunc {
	return func(c *gin.Context) {
		v := &visit{Portal: p, c: c, ctx: c.Request.Context(), now: p.deps.Now()}
		v.language = v.chooseLanguage()
		c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, max(r.body, 1<<20))
		if err := v.admit(r); err != nil {
			v.fail(err, v.filled(r.again))
			return
		}
		if err := r.do(v); err != nil {
			v.fail(err, v.filled(r.again))
		}
	}
}

// filled is again with what this request's path has in its places.
func (v *visit) filled(again string) string {
	for _, p := range v.c.Params {
		again = strings.ReplaceAll(again, ":"+p.Key, url.PathEscape(p.Value))
	}
	return again
}

// admit finds out who asks and whether the route is for them.
func (v *visit) admit(r route) error {
	if err := v.load(); err != nil {
		if r.open {
			return nil // what everybody may see is shown while sessions cannot be looked up
		}
		return err
	}
	signedIn := v.session.Duty != ""
	if signedIn && !r.passive {
		if err := v.touch(); err != nil && !r.open {
			return err
		}
	}
	switch {
	case r.open:
		return nil
	case !signedIn && v.expired:
		return errExpired
	case !signedIn:
		return hie.ErrUnauthenticated
	case r.duties != nil && !slices.Contains(r.duties, v.session.Duty):
		return hie.ErrNotFound // what is for others is not there
	}
	if v.session.Actor.Representative != "" && r.duties != nil {
		need := consent.RightsView
		if r.manage {
			need = consent.RightsManage
		}
		if r.self {
			return hie.ErrForbidden
		}
		if err := v.represents(need); err != nil {
			return err
		}
	}
	if r.stepUp && !v.session.SteppedUp(v.now) {
		return errStepUp
	}
	return nil
}

// wrong reports whether a check found something, where what it is is the page's to say.
func wrong(err error) bool { return err != nil }

// actor returns who acts, under this request's id and address.
func (v *visit) actor() hie.Actor {
	a := v.session.Actor
	a.Request, a.Address = requestID(v.c), v.c.RemoteIP()
	return a
}

// redirect leads to a path of ours, with GET.
func (v *visit) redirect(path string) error {
	v.c.Redirect(http.StatusSeeOther, path)
	return nil
}

// form returns the request's form; a body that cannot be read as one is an *hie.InvalidError.
func (v *visit) form() (url.Values, error) {
	if err := v.c.Request.ParseForm(); err != nil {
		return nil, hie.Invalid("", "must be a form")
	}
	return v.c.Request.PostForm, nil
}

// id opens a sealed id of the path: hie.ErrNotFound for what is none of ours.
func (v *visit) id(kind, value string) (int64, int64, error) {
	a, b, err := v.deps.Sealer.OpenID(kind, value)
	if err != nil {
		return 0, 0, hie.ErrNotFound
	}
	return a, b, nil
}

// local returns path when it is a path of ours, else "/": nobody is led away by a link.
func local(path string) string {
	u, err := url.Parse(path)
	if err != nil || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n\t") || u.Host != "" || u.Scheme != "" {
		return "/"
	}
	return path
}

// here is the path and query of a GET, where somebody can be led back to; "/" for anything else.
func (v *visit) here() string {
	if v.c.Request.Method != http.MethodGet {
		return "/"
	}
	return local(v.c.Request.URL.RequestURI())
}

// A trouble is what a page says when something is not as hoped.
type trouble struct {
	status int
	// key is the beginning of its words: key.title, key.text.
	key string
}

// troubleOf is the one table from kind of error to what people are told. They never see error text.
func troubleOf(err error) trouble {
	var inv *hie.InvalidError
	switch {
	case errors.As(err, &inv):
		return trouble{http.StatusBadRequest, "trouble.invalid"}
	case errors.Is(err, errMethod):
		return trouble{http.StatusMethodNotAllowed, "trouble.absent"}
	case errors.Is(err, errCrossSite):
		return trouble{http.StatusForbidden, "trouble.crosssite"}
	case errors.Is(err, hie.ErrForbidden):
		return trouble{http.StatusForbidden, "trouble.refused"}
	case errors.Is(err, hie.ErrNotFound), errors.Is(err, hie.ErrGone):
		return trouble{http.StatusNotFound, "trouble.absent"}
	case errors.Is(err, hie.ErrStale), errors.Is(err, hie.ErrConflict):
		return trouble{http.StatusConflict, "trouble.moved"}
	case errors.Is(err, hie.ErrTooLarge):
		return trouble{http.StatusRequestEntityTooLarge, "trouble.toolarge"}
	case errors.Is(err, hie.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return trouble{http.StatusServiceUnavailable, "trouble.unavailable"}
	}
	return trouble{http.StatusInternalServerError, "trouble.error"}
}

// fail answers err: with the way to sign in or to prove who one is when that is what is missing, else in plain words.
func (v *visit) fail(err error, again string) {
	switch {
	case errors.Is(err, errStepUp):
		if again == "" {
			again = v.here()
		}
		_ = v.redirect("/signin/again?next=" + url.QueryEscape(again))
		return
	case errors.Is(err, errExpired), errors.Is(err, hie.ErrUnauthenticated):
		v.signInFirst(errors.Is(err, errExpired))
		return
	}
	t := troubleOf(err)
	if t.status >= 500 {
		v.log.ErrorContext(v.ctx, "page failed", "request", requestID(v.c), "status", t.status, "kind", t.key)
	}
	if t.status == http.StatusServiceUnavailable {
		v.c.Header("Retry-After", "2")
	}
	var inv *hie.InvalidError
	rule := ""
	if errors.As(err, &inv) {
		rule = inv.Rule
	}
	v.show(t.status, "trouble", map[string]any{"Key": t.key, "Rule": rule})
}

// show answers with a page. Errors here are faults of a template; the page ends with what had been made.
func (v *visit) show(status int, name string, data any) {
	set, ok := v.pages[v.language][name]
	if !ok {
		panic("portal: no page " + name)
	}
	var b bytes.Buffer
	err := set.ExecuteTemplate(&b, "layout", v.frame(name, data))
	if err != nil {
		v.log.ErrorContext(v.ctx, "page failed", "request", requestID(v.c), "kind", "template "+name)
		v.c.AbortWithStatus(http.StatusInternalServerError)
		return
	}
	if v.notice != "" && status == http.StatusOK { // told once
		v.notice = ""
		_ = v.save()
	}
	v.c.Data(status, "text/html; charset=utf-8", b.Bytes())
}

// part answers with one named part of a page, for htmx.
func (v *visit) part(name, part string, data any) {
	var b bytes.Buffer
	if err := v.pages[v.language][name].ExecuteTemplate(&b, part, v.frame(name, data)); err != nil {
		v.log.ErrorContext(v.ctx, "page failed", "request", requestID(v.c), "kind", "template "+name)
		v.c.AbortWithStatus(http.StatusInternalServerError)
		return
	}
	v.c.Data(http.StatusOK, "text/html; charset=utf-8", b.Bytes())
}

// asked reports whether htmx asked for a part of the page.
func (v *visit) asked() bool { return v.c.GetHeader("HX-Request") == "true" }
