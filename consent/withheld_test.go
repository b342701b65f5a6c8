package consent

import (
	"testing"
	"time"

	"github.com/concord-hie/concord/hie"
)

func noticeEnv(t *testing.T, n WithheldNotice) *Env {
	t.Helper()
	e, err := NewEnv(Setup{Notice: n, Sites: []Site{{ID: "hospital", Regimes: []string{}}, {ID: "program", Regimes: []string{"part2"}}, {ID: "unclear"}}})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestOnlyOrdinaryKindsOfDocumentAreNamedAsWithheld(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(*Document)
		want bool
	}{
		{"a discharge summary without labels at a site that labels", func(*Document) {}, true},
		{"one that is restricted", func(d *Document) { d.Confidentiality = "R" }, false},
		{"one whose confidentiality is not known", func(d *Document) { d.Confidentiality = "" }, false},
		{"one with a sensitivity label", func(d *Document) { d.Sensitivity = []string{"HIV"} }, false},
		{"one whose labels are not known to be complete", func(d *Document) { d.LabelState = LabelsUnknown }, false},
		{"one of a site that does not label", func(d *Document) { d.LabelState = Unlabelled }, false},
		{"one the patient paid for", func(d *Document) { d.Flags = []string{"self-pay"} }, false},
		{"one of a substance use program", func(d *Document) { d.Site = "program" }, false},
		{"one of a site whose regimes are not known", func(d *Document) { d.Site = "unclear" }, false},
		{"one of a site nobody knows", func(d *Document) { d.Site = "elsewhere" }, false},
		{"a psychotherapy note", func(d *Document) { d.Class = "psychotherapy-note" }, false},
		{"a class nobody knows", func(d *Document) { d.Class = "hiv-clinic-letter" }, false},
		{"one without class", func(d *Document) { d.Class = "" }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := Document{Site: "hospital", Class: "18842-5", Confidentiality: "N", LabelState: Labelled}
			tt.set(&d)
			if got := noticeEnv(t, NoticeNamed).NamesWithheld(d); got != tt.want {
				t.Errorf("named: %v, want %v", got, tt.want)
			}
			for _, n := range []WithheldNotice{"", NoticeGeneric, NoticeSilent} {
				if noticeEnv(t, n).NamesWithheld(d) {
					t.Errorf("named under %q", n)
				}
			}
		})
	}
}

func TestOfSeveralPoliciesAboutTheNoticeTheMostReticentCounts(t *testing.T) {
	pack := func(n WithheldNotice) PackVersion {
		return PackVersion{Pack: Pack{ID: "p", Kind: PackNetwork, Withheld: n}}
	}
	for _, tt := range []struct {
		name  string
		packs []PackVersion
		want  WithheldNotice
	}{
		{"where none speaks it is the generic one", []PackVersion{pack("")}, NoticeGeneric},
		{"one that speaks", []PackVersion{pack(""), pack(NoticeNamed)}, NoticeNamed},
		{"silence outranks the generic notice", []PackVersion{pack(NoticeGeneric), pack(NoticeSilent)}, NoticeSilent},
		{"the generic notice outranks naming", []PackVersion{pack(NoticeNamed), pack(NoticeGeneric)}, NoticeGeneric},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, err := NewEnv(Setup{Notice: Options{}.In(tt.packs, time.Now()).Notice})
			if err != nil || e.Notice() != tt.want {
				t.Errorf("%q, %v; want %q", e.Notice(), err, tt.want)
			}
		})
	}
	if Closed().Notice() != NoticeGeneric {
		t.Error("while no rules are known the notice is not the generic one")
	}
}

func TestOnlyANetworkPolicyMaySayWhatIsToldOfWhatIsWithheld(t *testing.T) {
	for kind, want := range map[PackKind]bool{PackNetwork: true, PackLaw: false, PackSite: false} {
		p := Pack{ID: "p", Title: "P", Kind: kind, Withheld: NoticeSilent}
		if kind == PackSite {
			p.Site = hie.SiteID("hospital")
		}
		if err := p.Validate(); (err == nil) != want {
			t.Errorf("%s: %v", kind, err)
		}
	}
	p := Pack{ID: "p", Title: "P", Kind: PackNetwork, Withheld: "loud"}
	if p.Validate() == nil {
		t.Error("a notice nobody knows is accepted")
	}
}
