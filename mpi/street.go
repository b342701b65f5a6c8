package mpi

import "strings"

// streetKinds maps the usual spellings of a kind of street to its USPS standard abbreviation.
//
// Source: USPS Publication 28, appendix C1.
var streetKinds = func() map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(`
aly alley allee ally
anx annex annx
arc arcade
ave avenue av aven avenu avn avnue
bch beach
bnd bend
blf bluff
blvd boulevard boul boulv
br branch brnch
brg bridge brdge
brk brook
byp bypass
cp camp
cyn canyon
cswy causeway
ctr center centre cent cntr
cir circle circ crcl
clb club
cor corner
cmn common
crse course
ct court crt
cts courts
cv cove
crk creek
cres crescent crsent crsnt
xing crossing crssng
dl dale
dr drive driv drv
est estate
ests estates
expy expressway expr express expw
ext extension extn
fls falls
fry ferry
fld field
flds fields
fwy freeway freewy frway
gdn garden
gdns gardens
gtwy gateway
gln glen
grn green
grv grove
hbr harbor
hvn haven
hts heights
hwy highway highwy hiway
hl hill
hls hills
holw hollow
is island
jct junction
knl knoll
knls knolls
lk lake
lks lakes
lndg landing
ln lane la
loop loops
mall malls
mnr manor
mdw meadow
mdws meadows
ml mill
mls mills
mtn mountain mount
orch orchard
oval ovl
park parks prk
pkwy parkway parkwy pky
pass passes
path paths
pike pikes
pl place
pln plain
plz plaza
pt point
prt port
rdg ridge
rd road
rte route
row rows
run runs
shr shore
spg spring
spgs springs
sq square sqr
sta station
st street str strt
ter terrace terr
trl trail trails
tpke turnpike
un union
vly valley
vw view
vlg village
vis vista
walk walks
way ways wy
`) {
		standard := ""
		for w := range strings.FieldsSeq(line) {
			if standard == "" {
				standard = w
			}
			out[w] = standard
		}
	}
	return out
}()

var directions = map[string]string{
	"n": "n", "s": "s", "e": "e", "w": "w", "ne": "ne", "nw": "nw", "se": "se", "sw": "sw", "north": "n", "south": "s", "east": "e",
	"west": "w", "northeast": "ne", "northwest": "nw", "southeast": "se", "southwest": "sw",
}

var unitWords = set(`apt apartment unit ste suite rm room fl floor flat bldg building lot spc trlr trailer no num ph penthouse dept`)

// normalStreet takes a street line apart: house number, the name without number, unit, direction and kind
// (as one word), and the whole line in standard form without the unit. All are "" for an empty line.
func normalStreet(raw string) (number, name, line string) {
	raw, _, _ = strings.Cut(raw, "#")
	words := strings.Fields(fold(raw))
	if len(words) == 0 {
		return "", "", ""
	}
	if words[0] == "po" && len(words) > 1 && words[1] == "box" {
		words = append([]string{"pobox"}, words[2:]...)
	}
	if words[0] == "pobox" {
		if len(words) > 1 {
			number = words[1]
		}
		return number, "pobox", strings.Join(words, " ")
	}
	for i, w := range words {
		if i > 0 && unitWords[w] && i < len(words) {
			words = words[:i]
			break
		}
	}
	if c := words[0][0]; c >= '0' && c <= '9' {
		number = words[0]
		words = words[1:]
	} else if last := words[len(words)-1]; len(words) > 1 && last[0] >= '0' && last[0] <= '9' && digits(last) == last {
		number = last // "Hauptstrasse 12"
		words = words[:len(words)-1]
	}
	var rest, full []string
	for i, w := range words {
		if d := directions[w]; d != "" && (i == 0 || i == len(words)-1) && len(words) > 1 {
			full = append(full, d)
			continue
		}
		if k := streetKinds[w]; k != "" && i > 0 && (i == len(words)-1 || i == len(words)-2 && directions[words[i+1]] != "") {
			full = append(full, k)
			continue
		}
		rest = append(rest, w)
		full = append(full, w)
	}
	name = strings.Join(rest, "")
	if number != "" {
		full = append([]string{number}, full...)
	}
	return number, name, strings.Join(full, " ")
}
