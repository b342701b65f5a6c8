package portal

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/concord-hie/concord/hie"
	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
)

const requestKey = "concord request"

var requestIDPattern = regexp.MustCompile(`^[A-Za-z0-9.-]{8,64}$`)

// withRequestID takes the caller's X-Request-Id when it is harmless, else gives one, and echoes it. Everything a page
// asks of the API is recorded under it.
func withRequestID(c *gin.Context) {
	id := c.GetHeader("X-Request-Id")
	if !requestIDPattern.MatchString(id) {
		id = uuid.Must(uuid.NewV7()).String()
	}
	c.Set(requestKey, id)
	c.Header("X-Request-Id", id)
}

func requestID(c *gin.Context) string { return c.GetString(requestKey) }

// traced follows a page's request, with everything it asks of the API. Files of the pages are not worth it.
func (p *Portal) traced(c *gin.Context) {
	if p.deps.Trace == nil || c.FullPath() == "" || strings.HasPrefix(c.FullPath(), "/assets/") {
		return
	}
	began, start := hie.Now(), time.Now()
	trace := hie.NewTrace(requestID(c), c.GetHeader("Traceparent"), began)
	c.Request = c.Request.WithContext(hie.WithTrace(c.Request.Context(), trace))
	c.Next()
	trace.Add(hie.Span{Name: "page", Began: began, Took: time.Since(start), Outcome: strconv.Itoa(c.Writer.Status()), Detail: c.Request.Method + " " + c.FullPath()})
	p.deps.Trace(trace.End(c.Writer.Status(), hie.Now()))
}

// contentPolicy is what pages may load: their own files. A form may also lead to the identity provider, since signing
// out and stepping up are forms whose answer redirects there. data: is for the icons inside the style sheet.
func contentPolicy(in SignIn) string {
	forms := "'self'"
	if in != nil {
		forms += " " + in.Origin()
	}
	return strings.Join([]string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "connect-src 'self'",
		"font-src 'self'", "form-action " + forms, "frame-ancestors 'none'", "base-uri 'none'"}, "; ")
}

// guard sets what every answer carries and refuses what a page of another site makes a browser send. A request that
// changes something must say where it comes from: every browser does, so one that says nothing is none of ours.
//
// Source: net/http CrossOriginProtection; OWASP secure headers. Referrer-Policy is same-origin and not no-referrer,
// under which browsers would send Origin: null with our own forms.
func (p *Portal) guard(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("Content-Security-Policy", p.policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	if p.secure {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
	r := c.Request
	silent := r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == ""
	safe := r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions
	if p.cross.Check(r) != nil || (!safe && silent) {
		p.handle(route{open: true, passive: true, do: func(*visit) error { return errCrossSite }})(c)
		c.Abort()
	}
}
