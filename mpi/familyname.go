package mpi

import "strings"

// familyFirst are family names of peoples that write them before the given name: Chinese, Vietnamese and Korean ones as they
// are spelled in the United States. With one of these, names in each other's place are a custom and no mistake.
var familyFirst = set(`
	bai cai cao chan chang chao chen cheng cheung chiang chin chiu choi chong chou chow chu chua chung cui dai deng ding dong du duan fan fang
	feng fong fu fung gao gong gu guan guo han hao he ho hong hou hsieh hsu hu huang hui huo hwang ip jia jiang jiao jin kang kong ko kuo kwan
	kwok kwong lai lam lau law lei leung li liang liao lim lin ling liu lo lu luo luk ma mai mak mao meng mo mok ng ni niu pan pang peng qian
	qin qiu qu ren shao shen shi shih siu so song su sun sung szeto tam tan tang tao tian tong tsai tsang tse tseng tsui tu wan wang wei wen
	wong woo wu xia xiang xiao xie xiong xu xue yan yang yao ye yee yeh yen yeung yi yin ying yip you young yu yuan yue yuen yung zeng zha
	zhang zhao zheng zhong zhou zhu zhuang zou
	bach banh bui cao chau cu dam dang dao dau diep dinh do doan dong duong giang ha ho hoang hua huynh khuu kieu la lai lam le luong luu ly
	mac mach mai ngo nguyen nhan nghiem ninh ong pham phan phung quach quan ta tang thach thai than to ton tran tri trieu trinh truong tu
	van vang vo vong vu vuong
	ahn an bae bai bak bang byun cha cho choe choi chon chu chun chung eom gang gil go gong gu gwak gwon ha hahm ham han heo ho hong huh hwang
	hyun im in jang jeon jeong ji jin jo joo ju jun jung kang kim ko koh kong koo ku kwak kwon lee lim ma min moon na nah nam no noh oh pae
	paik pak park pyo rhee ri roh ryu seo seok seong shim shin sim sin so soh sohn son song suh sung uhm um won woo yang yi yim yoo yoon you
	yu yun`)

// transcriptionGroups are spellings of one family name that come from writing another script in Latin letters, by one system or
// another, or by the sound of one language or another. A name may stand in two groups; groups are never joined through it.
const transcriptionGroups = `
zhang chang cheung cheong teo
huang hwang wong ng vong huynh hoang
li lee lei ly
wang wong ong heng
zhao chao chiu chew
xu hsu hui khoo
chen chan tan chin chern tran
liu lau liew low luu
lin lam lim
wu ng woo goh ngo
zhou chow chou chau
zhu chu choo
cai tsai choi chua choy
xie hsieh tse cheah ta
guo kuo kwok quach
he ho hoh
luo lo law loh la
ma mah
hu woo wu
yang yeung young yong duong
ye yeh yip yap diep
liang leung neo luong
deng tang teng dang
feng fung foong phung
jiang chiang keung
shen sham sim
zheng cheng cheung tay
song sung soong tong
peng pang phang
pan poon phua phan
xiao hsiao siu seow
yu yee yue
yuan yuen
zeng tsang tseng
su soo so
lu loo luk
jin kam chin kim
qiu chiu yau khoo
gao kao ko
guan kwan kuan
mai mak
fan faan
park pak bak pahk
choi choe chwe
jung jeong chung joung
lee yi rhee ri
kang gang kahng
cho jo joe
yoon yun youn
jang chang
lim im rim yim
han hahn
oh oe
seo suh
shin sin
kwon gwon
noh roh no
yoo yu ryu you
moon mun
ahn an
hur huh heo
shim sim
jeon chun jun chon
nam nahm
paik baek paek
pham fam
vu vo
bui buy
alhassan elhassan hassan alhasan
hussein hussain husain husayn hossain hossein houssein
mohamed muhammad mohammed mohammad mohamud mohamad
ahmed ahmad ahmet
ali aly
said saeed sayed sayeed saied
haddad hadad
khalil khaleel kalil
mansour mansoor mansur
nasser nasir naser nassar
saleh salih salah
ibrahim ebrahim ibraheem
osman usman uthman othman
rahman rehman rahmaan
aziz azeez
abdullah abdallah abdulla abdullahi
yusuf yousef youssef yousuf yusef
chowdhury choudhury chaudhry choudhary chaudhary chaudhuri
singh sing
krishnan krishnen
srinivasan shrinivasan sreenivasan
iyer aiyar ayyar
nair nayar
mukherjee mukerji mukhopadhyay
banerjee banerji bandyopadhyay
kovalenko kovalenco
ivanov ivanoff iwanow
popov popoff
petrov petroff
smirnov smirnoff
yakovlev iakovlev
tesfaye tesfay tesfai
mackenzie mckenzie
macdonald mcdonald
mckay mackay
mcintyre macintyre
vandenberg vanderberg vandenburg vandenbergh
saintjohn stjohn
saintclair stclair sinclair
papadopoulos papadopoulous
yilmaz jilmaz
wojcik voycik
schmidt schmitt
meyer meier maier mayer myer
gonzalez gonzales
rodriguez rodrigues
perez peres
gomez gomes
lopez lopes
martinez martines
jimenez ximenez gimenez
vasquez vazquez
`

// familyNicks bounds the groups kept for one family name.
const familyNicks = 2

// transcriptions maps a folded family name to the groups it stands in, numbered from 1; unused places are 0.
var transcriptions = func() map[string][maxNicks]uint8 {
	out := map[string][maxNicks]uint8{}
	group := uint8(0)
	for line := range strings.Lines(transcriptionGroups) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		group++
		for name := range strings.FieldsSeq(line) {
			g := out[name]
			for i := range familyNicks {
				if g[i] == 0 {
					g[i] = group
					break
				}
			}
			out[name] = g
		}
	}
	return out
}()

// transcribed reports whether two family names are spellings of one that came from another script.
func transcribed(a, b *token) bool {
	for _, g := range a.nicks[:familyNicks] {
		if g != 0 && (g == b.nicks[0] || g == b.nicks[1]) {
			return true
		}
	}
	return false
}

// transcribedAs is transcribed for a given name that may be a family name in the wrong place: its groups are those of given names.
func transcribedAs(given, family *token) bool {
	if family.nicks[0] == 0 {
		return false
	}
	groups := transcriptions[string(given.bytes())]
	for _, g := range groups[:familyNicks] {
		if g != 0 && (g == family.nicks[0] || g == family.nicks[1]) {
			return true
		}
	}
	return false
}
