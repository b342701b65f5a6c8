package portal

import (
	"context"
	"net/http"
	"slices"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/directory"
)

// A Demo is what the landing page of a demonstration needs.
type Demo struct {
	// Personas are who can be signed in as with one click, in order.
	Personas []Persona
	// Story tells of the steps of the guided story, in order, whether each has happened; nil shows no ticks.
	Story func(ctx context.Context) ([]bool, error)
	// People are the invented people worth trying things with, in order.
	People []SandboxPerson
	// Sites are those that behave otherwise than most, in order.
	Sites []SandboxSite
	// Clients are those whose keys the demonstration holds, in order.
	Clients []SandboxClient
	// Token gets an access token as one of Clients would; it returns *hie.InvalidError with the token endpoint's words when it
	// refuses.
	Token func(ctx context.Context, ask SandboxAsk) (SandboxToken, error)
	// Reset puts one of People back to how they were: emergencies about them end, choices made since are taken back, what was
	// reported about them is withdrawn. Nothing is removed from the trail. number is their first; hie.ErrNotFound for any other.
	Reset func(ctx context.Context, number string) error
}

// A Persona is an invented person with an account at the demonstration's identity provider.
type Persona struct {
	// Account is the sign-in hint, Card the one of the page's six cards it stands on, or "" for the list of others.
	Account, Name, Organization string
	Duty                        access.Duty
	Card                        string
	// About is a key of words on what they are there for.
	About string
}

// storySteps are the persona who plays each step of the guided story; its words are story.1 and so on.
var storySteps = []string{"dr-bloom", "maria", "dr-bloom", "dr-bloom", "maria", "p.stone", "m.reyes", "o.quist"}

// cards are the six cards, in order; their words are card.NAME and card.NAME.text.
var cards = []string{"patient", "practice", "hospital", "privacy", "steward", "operator"}

// A stop is one site in the picture of the network.
type stop struct {
	directory.Site
	Org          directory.Organization
	X, Y, TX, TY int
	Anchor       string
}

// landing shows where to sign in: the demonstration's page, or a plain one.
func (v *visit) landing() error {
	if v.cfg.Demo == nil {
		v.show(http.StatusOK, "signin", map[string]any{"Problem": "", "Next": "/", "Request": ""})
		return nil
	}
	type step struct {
		N       int
		Account string
		Done    bool
	}
	var steps []step
	var done []bool
	if v.cfg.Demo.Story != nil {
		done, _ = v.cfg.Demo.Story(v.ctx) // ticks that cannot be told are not shown
	}
	for i, account := range storySteps {
		steps = append(steps, step{N: i + 1, Account: account, Done: i < len(done) && done[i]})
	}
	type card struct {
		Name     string
		Personas []Persona
	}
	var shown []card
	var others []Persona
	for _, name := range cards {
		c := card{Name: name}
		for _, p := range v.cfg.Demo.Personas {
			if p.Card == name {
				c.Personas = append(c.Personas, p)
			}
		}
		shown = append(shown, c)
	}
	for _, p := range v.cfg.Demo.Personas {
		if p.Card == "" {
			others = append(others, p)
		}
	}
	names := map[string]string{}
	for _, p := range v.cfg.Demo.Personas {
		names[p.Account] = p.Name
	}
	v.show(http.StatusOK, "landing", map[string]any{"Cards": shown, "Others": others, "Steps": steps, "Names": names, "Stops": v.network()})
	return nil
}

// network lays the live sites out around the exchange: half above, half below.
func (v *visit) network() []stop {
	n := v.deps.Network()
	var out []stop
	sites := slices.DeleteFunc(n.Sites(), func(s directory.Site) bool { return s.Membership != directory.Live })
	if len(sites) > 8 {
		sites = sites[:8] // the picture is of the first; the directory has them all
	}
	top := (len(sites) + 1) / 2
	for i, s := range sites {
		o, _ := n.Organization(s.Org)
		row, of, at := 0, top, i
		if i >= top {
			row, of, at = 1, len(sites)-top, i-top
		}
		x := 800 * (2*at + 1) / (2 * of)
		st := stop{Site: s, Org: o, X: x, Y: 60 + 220*row, TX: x, Anchor: "middle"}
		st.TY = st.Y - 30
		if row == 1 {
			st.TY = st.Y + 40
		}
		out = append(out, st)
	}
	return out
}
