package mpi

import "strings"

// nicknameGroups are sets of given names one person may be called by, a formal name first. A name may stand in
// several groups; groups are never joined through such a name (Pat is Patricia or Patrick, not both), and
// agreement by nickname is weaker than agreement by name. Hand-made for names common in the United States.
const nicknameGroups = `
abigail abby abbie gail
abraham abe bram
adelaide addie ada heidi della
agnes aggie nessie
albert al bert bertie alberto beto
alexander alex alec al sasha xander lex sandy alejandro aleksandr ale
alexandra alex alexa lexi sandra sasha sandy alejandra
alfred al fred alf alfie alfredo
alice allie ali alison allison
amanda mandy manda
andrew andy drew andre andres andrei andreas
angela angie angel angelina
anna ann anne annie nan nancy hannah hanna ana anita
anthony tony antonio anton toni tono
antoinette toni nettie
arthur art artie arturo
augustus gus august augustine agustin
barbara barb babs barbie bobbie
bartholomew bart
beatrice bea trixie beatriz
benjamin ben benny benji benjy
bernard bernie barney bernardo
beverly bev
bradley brad
brandon bran
calvin cal
cameron cam
candace candy candice
carol caroline carolyn carrie caryl lynn karolina carolina
catherine cathy kathy kate katie katherine kathryn kathleen kat kitty kay kit cathleen catalina katrina katarina ekaterina
cecilia celia cissy cece
charles charlie chuck chas chaz carlos carl karl
charlotte charlie lottie lotte
chester chet
christina chris chrissy tina christine kristina kristine kristin kirsten christy christie
christopher chris topher kit kris cristobal kristopher
clarence clancy
clifford cliff
constance connie
cornelius neil connie
cynthia cindy cyndi
daniel dan danny daniele daniil
danielle dani dee
david dave davy davey davis
deborah deb debbie debra debby
denise dee
dennis denny denis
dolores lola dolly
dominic dom nick domingo dominick
donald don donnie donny
dorothy dot dottie dolly dora dorothea
douglas doug
edward ed eddie eddy ted teddy ned eduardo edwardo lalo
edwin ed eddie win
eleanor ellie nell nora lenore elinor eleanora
elizabeth liz beth betty lizzie eliza betsy elisabeth lisa libby liza bess bessie lizbeth elsie ellie isabel elspeth
emily em emmy millie emilia
emmanuel manny emanuel manuel manolo
ernest ernie ernesto
esther essie hester ester
eugene gene
evelyn eve evie
ezekiel zeke
florence flo flossie
frances fran frannie francie fanny francesca francisca
francis frank frankie francisco fran pancho paco franco
franklin frank
frederick fred freddy freddie fritz fredrick frederic federico
gabriel gabe
gabrielle gabby gaby gabriela gabriella gaby
gerald gerry jerry jerald gerard gerardo
geoffrey geoff jeff jeffrey jeffery
george georgie jorge georgios giorgio
gertrude trudy gert
gilbert gil bert
gregory greg gregg gregorio
gwendolyn gwen wendy
harold hal harry
harriet hattie harry
helen nell nellie ellen lena elena helena
henry hank harry hal enrique henri quique
herbert herb bert
howard howie
ignatius iggy nacho ignacio
irene rena
isaac ike zac isaak
isabella bella izzy isabel isabelle ysabel isabela ysabella
jacob jake jakob coby
jacqueline jackie jacky jacquelyn jaclyn
james jim jimmy jamie jimmie jaime santiago diego
jane janie janet jean jeanne joan joanna jenny
janice jan
jason jay jase
jeanette jean nettie
jennifer jen jenny jenn jenna
jeremiah jerry jeremy jem
jessica jess jessie
jesse jess jessie
joan joanie jo juana
joanne jo joann joanna johanna
john jack johnny jon johnnie jonny juan ivan johan johann jean giovanni ian sean shawn
jonathan jon jonny nathan jonathon john
joseph joe joey jos jose josef giuseppe yusuf youssef pepe chepe
josephine jo josie josefina fina
joshua josh
judith judy judie
julia julie jules juliana yulia yuliya iulia
kenneth ken kenny
kimberly kim kimberley kimmy
laura laurie lori lauren
lawrence larry laurence lorenzo lars loren
leonard leo len lenny leon leonardo
leslie les lesley
lewis lou louis louie luis lew
lillian lily lil lilian lilly
linda lynn lindy
lorraine lori rainey
louise lou luisa lulu
lucille lucy lucia lucinda
madeline maddie madelyn maddy madeleine magdalena lena
marcus mark marc marcos marco
margaret maggie peggy meg marge margie greta rita megan peg daisy margarita margot marguerite mago
marjorie marge margie
martha marty mattie marta patsy
martin marty martino
mary molly polly may mamie maria marie mae marian miriam mariam maryam
matilda tilda mattie tillie
matthew matt matty mateo mathew matthias
maureen mo reenie
maxwell max
maximilian max maximo
melanie mel
melissa missy mel lissa
melvin mel
michael mike mickey mick mikey miguel mikhail michel misha
michelle shelly chelle shelley micheline
mildred millie
mitchell mitch
mohammed mohamed muhammad mohammad muhammed mohamad mo mehmet
morris mo maurice moe mauricio
nathaniel nathan nate nat nathanial
natalie nat tasha natalia natasha natalya nataliya
nicholas nick nicky nicolas klaus nikolai colin
nicole nicky nikki nicolette
norman norm
oliver ollie
olivia liv livvy
oscar ozzie
pamela pam
patricia pat patty patsy tricia trish trisha
patrick pat paddy rick patricio
paul pablo paolo pavel
pauline polly paula
penelope penny nell
peter pete pedro pieter piotr pyotr
philip phil phillip felipe pip
priscilla cilla prissy
rachel rae shelley raquel
ralph rafe
randall randy randolph rand
raymond ray ramon raimundo moncho
rebecca becky becca beck
reginald reg reggie
richard rick dick rich ricky richie rickey ricardo
robert bob rob bobby robbie robby bert roberto robin beto
roberta bobbie robbie bert
rodney rod
roger rodge rogelio
ronald ron ronnie ronny
rosemary rose rosie
rose rosa rosie rosalie
rosalind roz
roland rollie orlando
russell russ rusty
samantha sam sammy
samuel sam sammy
sandra sandy sandi
sarah sara sally sadie sarita
sebastian seb bastian
sharon shari sherry
sidney sid sydney
sophia sophie sofia sofie
solomon sol
stanley stan
stephanie steph stef steffi stefanie
stephen steve steven stevie esteban stephan stefan stephon
stewart stu stuart
susan sue susie suzy suzanne susanna suzanna susana
sylvester sly
sylvia syl silvia
tamara tammy tam
teresa terry tess theresa terri tessa therese teri tere
terrence terry terence terrance
theodore ted teddy theo teo
thomas tom tommy thom tomas
timothy tim timmy
tobias toby
tyler ty
valerie val
vanessa nessa
veronica ronnie vera roni
victor vic viktor vittorio
victoria vicky tori vicki vickie
vincent vince vinny vin vicente
virginia ginny ginger
vivian viv vivienne
walter walt wally
wallace wally
wendell wendy
wesley wes
wilhelmina mina minnie billie
william bill will billy willie liam guillermo wilhelm willy memo
winifred winnie freda
zachary zach zack zachariah zak
yevgeny evgeny eugene
yolanda yoli
xavier javier
yusuf yousef youssef yousuf joseph
hussein hussain husayn hossein husain hossain
ali aly
ahmed ahmad achmed ahmet
abdul abdallah abdullah abdel abdulla
fatima fatimah fatma fatema
aisha ayesha aysha aicha aishah
omar umar omer
ibrahim abraham ebrahim
sergei sergey serge sergio
dmitri dmitry dimitri dima dmitriy
vladimir vlad vova volodymyr
guadalupe lupe lupita
concepcion concha conchita
jesus chuy
rosario charo
consuelo chelo
mercedes meche
madison maddie maddy madi
rafael rafa raphael rafi
abdulrahman abdurrahman abdelrahman
khadija khadijah khadeeja
uthman osman othman usman
said saeed sayed sayeed
zaynab zainab zeinab
aurelia relia orelia
bertram bert bertie
clementine clem clemmie
cordelia delia cory
delbert del bert
ferdinand ferdie fernando
gustav gus gustave gustavo
hortensia tencha
josiah joe jody
lucas luke luca lukas
marianne mary annie marian
rosalinda rosa linda
salvador sal chava
`

// maxNicks bounds the groups kept for one name.
const maxNicks = 3

// nicknames maps a folded given name to the groups it stands in, numbered from 1; unused places are 0.
var nicknames = func() map[string][maxNicks]uint8 {
	out := map[string][maxNicks]uint8{}
	group := uint8(0)
	for line := range strings.Lines(nicknameGroups) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		group++
		for name := range strings.FieldsSeq(line) {
			g := out[name]
			for i := range g {
				if g[i] == group {
					break
				}
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

// formalNames maps a name to the formal name of its first group, for keys.
var formalNames = func() map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(nicknameGroups) {
		formal := ""
		for name := range strings.FieldsSeq(line) {
			if formal == "" {
				formal = name
			}
			if out[name] == "" {
				out[name] = formal
			}
		}
	}
	return out
}()

// formal returns the name keys are built from: given itself when it stands in no group.
func formal(given string) string {
	if f := formalNames[given]; f != "" {
		return f
	}
	return given
}
