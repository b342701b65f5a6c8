package portal

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
)

// A3, onboarding: how far a site is on its way to its go-live, and what brings it on.

// An onboarding is that as the API tells of it.
type onboarding struct {
	Site         hie.SiteID       `json:"site"`
	Name         string           `json:"name"`
	Organization hie.OrgID        `json:"organization"`
	Membership   string           `json:"membership"`
	Missing      []string         `json:"missing"`
	Proposed     bool             `json:"proposed"`
	Checks       []siteCheck      `json:"checks"`
	Contacts     []siteContact    `json:"contacts"`
	Steps        []membershipStep `json:"steps"`
}

type siteCheck struct {
	Check    string        `json:"check"`
	Result   string        `json:"result"`
	Owner    string        `json:"owner"`
	At       time.Time     `json:"at"`
	Findings []siteFinding `json:"findings"`
}

// Badge is the kind of badge a result is shown as.
func (c siteCheck) Badge() string {
	return map[string]string{"pass": "good", "fail": "bad"}[c.Result]
}

// A siteFinding is one thing that was measured; its words go by its code.
type siteFinding struct {
	Code   string            `json:"code"`
	Result string            `json:"result"`
	Values map[string]string `json:"values"`
}

type siteContact struct {
	Role  string `json:"role"`
	Name  string `json:"name"`
	Email string `json:"email"`
	Phone string `json:"phone"`
}

type membershipStep struct {
	Move         string    `json:"move"`
	At           time.Time `json:"at"`
	Organization hie.OrgID `json:"organization"`
	User         string    `json:"user"`
	Note         string    `json:"note"`
}

func (v *visit) onboardingPath() string {
	return "/admin/v1/sites/" + url.PathEscape(v.c.Param("site")) + "/onboarding"
}

// onboarding answers GET /operator/sites/:site/onboarding.
func (v *visit) onboarding() error { return v.showOnboarding(http.StatusOK, nil, nil) }

func (v *visit) showOnboarding(status int, form url.Values, faults []fault) error {
	var o onboarding
	if err := v.read(http.MethodGet, v.onboardingPath(), nil, &o); err != nil {
		return err
	}
	for i := range o.Checks {
		if !o.Checks[i].At.IsZero() {
			o.Checks[i].At = o.Checks[i].At.In(v.zone())
		}
	}
	mine := false
	for i := range o.Steps {
		o.Steps[i].At = o.Steps[i].At.In(v.zone())
		mine = o.Proposed && directory.SamePerson(o.Steps[i].User, v.session.Actor.User)
	}
	slices.Reverse(o.Steps)
	moves := o.moves(mine)
	if m := directory.Move(form.Get("move")); faults != nil && v.words.has("onboard.take."+string(m)) && !slices.Contains(moves, m) {
		moves = append(moves, m) // a check fails by now: what was written stays
	}
	wrong := map[string]bool{}
	for _, f := range faults {
		wrong[f.Field] = true
	}
	v.show(status, "operator/onboarding", map[string]any{"Onboarding": o, "Mine": mine, "Moves": moves, "Fresh": v.session.SteppedUp(v.now),
		"Badge": map[string]string{"live": "good", "joining": "warn", "suspended": "warn"}[o.Membership], "Form": form, "Faults": faults, "Wrong": wrong,
		"Kinds": directory.AgreementKinds(), "Roles": directory.ContactRoles()})
	return nil
}

// moves are those there are buttons for; whether one may be made now is the API's to say.
func (o onboarding) moves(mine bool) (moves []directory.Move) {
	switch {
	case o.Proposed && mine:
		moves = append(moves, directory.MoveDeclined)
	case o.Proposed:
		moves = append(moves, directory.MoveApproved, directory.MoveDeclined)
	case o.Membership != string(directory.Live) && len(o.Missing) == 0:
		moves = append(moves, directory.MoveProposed)
	}
	if o.Membership != string(directory.Suspended) {
		moves = append(moves, directory.MoveSuspended)
	}
	return moves
}

// bringOn returns the handler of a post that sends fields of the form to the API as action, and says said. A fault that is of no
// field leads to field.
func bringOn(action, field, said string, fields ...string) func(*visit) error {
	return func(v *visit) error {
		form, err := v.form()
		if err != nil {
			return err
		}
		body := map[string]any{}
		for _, name := range fields {
			if value := strings.TrimSpace(form.Get(name)); value != "" {
				body[name] = value
			}
		}
		_, err = v.call(http.MethodPost, v.onboardingPath()+"/"+action, body)
		move := form.Get("move")
		if r, refused := errors.AsType[*refusal](err); refused {
			f := fault{field, "onboard.fault." + action}
			switch {
			case r.status == http.StatusForbidden && move == string(directory.MoveApproved):
				f.Key = "onboard.fault.same"
			case r.status != http.StatusBadRequest && r.status != http.StatusUnprocessableEntity:
				return err
			case v.words.has("onboard.fault." + r.path):
				f.Key = "onboard.fault." + r.path
				if slices.Contains(fields, r.path) {
					f.Field = r.path
				}
				if r.path == "note" {
					f.Field = move + "-note"
				}
			}
			return v.showOnboarding(http.StatusUnprocessableEntity, form, []fault{f})
		}
		if err != nil {
			return err
		}
		notice := said
		if action == "steps" {
			notice = "onboard.stepped." + move
		}
		if err := v.say(notice); err != nil {
			return err
		}
		return v.redirect("/operator/sites/" + url.PathEscape(v.c.Param("site")) + "/onboarding")
	}
}

// reason is why something failed, in words: what the exchange found, after how the site counts now ("late, no end in time"). What was
// refused of what a site sent names the place in its resource and the rule, and stays as the site was told it.
func (p *Portal) reason(language, value string) string {
	why := value
	if fate, rest, cut := strings.Cut(value, ", "); cut && p.words.has("fate."+fate) {
		why = rest
	}
	if status, http := strings.CutPrefix(why, "http "); http {
		return p.words.say(language, "onboard.reason.http", "status", status)
	}
	if key := "onboard.value.reason." + strings.ReplaceAll(why, " ", "-"); p.words.has(key) {
		return p.words.say(language, key)
	}
	return value
}

// foundValue is a value of what was found, as it is written out: days, times and lists of roles, and what has words of its own.
func (p *Portal) foundValue(language, name, value string) string {
	if key := "onboard.value." + name + "." + value; p.words.has(key) {
		return p.words.say(language, key)
	}
	switch name {
	case "reason":
		return p.reason(language, value)
	case "from", "until":
		if t, err := time.Parse(time.DateOnly, value); err == nil {
			return day(language, t)
		}
	case "ms":
		if ms, err := strconv.ParseFloat(value, 64); err == nil {
			return strings.TrimPrefix(weight(language, ms), "+")
		}
	case "roles":
		roles := strings.Split(value, ", ")
		for i, r := range roles {
			if key := "role." + r; p.words.has(key) {
				roles[i] = p.words.say(language, key)
			}
		}
		return strings.Join(roles, ", ")
	}
	return value
}
