package federation

import (
	"slices"
	"testing"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
)

func TestKindsThatAreWithheldAreNamedBesideWhatIsShownAlone(t *testing.T) {
	restricted := func(p *locator.Pointer) {
		p.Labels = []hie.Coding{{System: locator.SystemConfidentiality, Code: "R"}}
	}
	for _, tt := range []struct {
		name   string
		notice consent.WithheldNotice
		shown  bool
		query  Query
		want   []string
	}{
		{"beside what is shown", consent.NoticeNamed, true, Query{}, []string{"18842-5"}},
		{"beside a count", consent.NoticeNamed, true, Query{CountOnly: true}, []string{"18842-5"}},
		{"not where nothing is shown", consent.NoticeNamed, false, Query{}, nil},
		{"not where the policy is the generic notice", consent.NoticeGeneric, true, Query{}, nil},
		{"not where it is silent", consent.NoticeSilent, true, Query{}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			env := w.env(t, func(s *consent.Setup) { s.Notice = tt.notice })
			w.Env = func() *consent.Env { return env }
			w.doc(mariaHospital, "hospital", "18842-5", 1)
			w.doc(mariaHospital, "hospital", "11488-4", 2, restricted)
			if tt.shown {
				w.doc(mariaHeart, "heart", "11506-3", 3)
			}
			d := denyAll(mariaClinic)
			d.PolicyRules = nil
			d.Provision.Classes = []string{"18842-5", "11488-4"}
			w.say(d)
			f := find(t, w, tt.query)
			if !slices.Equal(f.Withheld, tt.want) || (f.Total > 0) != tt.shown {
				t.Errorf("of %d shown, named %v; want %v", f.Total, f.Withheld, tt.want)
			}
			told := ""
			if tt.want != nil {
				told = "18842-5"
			}
			if got := w.recorded(audit.DocumentsQueried); len(got) != 1 || got[0].Detail["named"] != told {
				t.Errorf("the trail says that %q was named, want %q", got[0].Detail["named"], told)
			}
		})
	}
}
