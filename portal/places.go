package portal

import (
	"net/http"
	"net/url"

	"github.com/concord-hie/concord/hie"
)

// P4, where a patient's records are: by place, kind and document, each of which can be kept back and shown again from here.

// places answers GET /my/places.
func (v *visit) places() error {
	where, err := v.whereabouts()
	if err != nil {
		return err
	}
	mine, _, err := v.keptBack()
	if err != nil {
		return err
	}
	sites, kinds := map[hie.SiteID]filed{}, map[string]filed{}
	documents := 0
	for _, f := range mine {
		switch {
		case f.Over || f.Rule.Paused || !f.Rule.fromAll():
		case f.Rule.Site != "":
			sites[f.Rule.Site] = f
		case f.Rule.Class != "":
			kinds[f.Rule.Class] = f
		case f.Rule.Document != "":
			documents++
		}
	}
	v.show(http.StatusOK, "places", map[string]any{"Places": where, "Sites": sites, "Kinds": kinds, "Hidden": documents})
	return nil
}

// A myPaper is one document with the rule that keeps it back, if there is one.
type myPaper struct {
	paper
	// Hideable says that a rule can name it: what a site told of live has no lasting name.
	Hideable bool
	Kept     filed
}

// placeDocuments answers GET /my/places/:site?cursor=: the documents of the place's organisation, newest first.
func (v *visit) placeDocuments() error {
	site, ok := v.deps.Network().Site(hie.SiteID(v.c.Param("site")))
	if !ok {
		return hie.ErrNotFound
	}
	search := url.Values{"patient": {"Patient/" + v.myID()}, "status": {"current"}, "custodian": {"Organization/" + string(site.Org)}, "_count": {"50"}}
	if cursor := v.c.Query("cursor"); cursor != "" { // it holds the search
		search = url.Values{"_cursor": {cursor}, "_count": {"50"}}
	}
	set, err := v.search(v.actor(), search, "0", nil)
	if err != nil {
		return err
	}
	mine, _, err := v.keptBack()
	if err != nil {
		return err
	}
	kept := map[string]filed{}
	for _, f := range mine {
		if f.Rule.Document != "" && !f.Over && !f.Rule.Paused && f.Rule.fromAll() {
			kept[f.Rule.Document] = f
		}
	}
	var papers []myPaper
	for _, e := range set.Entry {
		if e.Search != nil && e.Search.Mode == "outcome" {
			continue
		}
		p, err := readPaper(e)
		if err != nil {
			return err
		}
		p.Date = p.Date.In(v.zone())
		_, _, live := v.id("document", p.ID)
		papers = append(papers, myPaper{paper: p, Hideable: live == nil, Kept: kept[p.ID]})
	}
	here := "/my/places/" + url.PathEscape(string(site.ID))
	next := ""
	if c := nextCursor(set); c != "" {
		next = here + "?" + url.Values{"cursor": {c}}.Encode()
	}
	v.show(http.StatusOK, "placedocuments", map[string]any{"Site": site.ID, "Org": site.Org, "Papers": papers, "Next": next, "Here": v.here()})
	return nil
}
