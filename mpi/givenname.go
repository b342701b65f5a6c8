package mpi

// knownGivens are given names known to exist: those with nicknames, their nicknames, and further common ones. It is a list of
// common names in the United States, hand-made; what is not in it is not held to be wrong.
var knownGivens = func() map[string]bool {
	out := set(commonGivens)
	for name := range nicknames {
		out[name] = true
	}
	return out
}()

const commonGivens = `
aaliyah aaron abdul adalyn adam addison adele adelyn adrian adriana adrianna adrienne agustin aidan aiden aileen aimee akira alana alani
alaina alan albina aldo alec alejandra alena alessandra alexandria alexia alexis alfonso alicia alina alisha alissa aliyah allan allen
allyson alma alondra alonzo alton alvaro alvin alyson alyssa amalia amara amari amaya amber amelia amina amir amit amos amy ana anastasia
anaya andrea angel angelica angelo angie anika anil anita anjali annabelle annalise annette annika ansel antoine april ariana arianna aria
ariel arielle arjun arlene armando arnold arya asher asha ashleigh ashley ashlyn ashton aspen athena aubree aubrey audrey aurora austin
autumn ava avery axel ayla bailey barry beau bella belinda benito bennett bernadette bernice bertha bessie bethany bianca blaine blake
blanca blanche bobbie bonnie boris boyd brad braden bradyn brady braxton brayden breanna brenda brendan brenna brennan brent brett brian
briana brianna bridget bridgette brielle britney brittany brock brody bronson brooke brooklyn brooks bruce bruno bryan bryant bryce bryson
byron cade caden caitlin caleb callie camila camilla camille camryn cara carina carissa carla carlton carly carmella carmen carmine carol
carson carter casey cash cassandra cassidy cassie cedric celeste celine chad chance chandler chanel charity charlene chase chelsea cherry
cheryl chloe christa christian clara clarissa clark claude claudia clay clayton clement clinton clyde cody cole coleman colette colin
colleen colton conner connor conrad cooper cora coral corey corinne cory courtney craig cristian cristina crystal curtis cyrus dahlia
daisy dakota dale dallas dalton damian damien damon dana dante daphne darby darcy darin darius darlene darnell darrell darren darryl
daryl dawn dawson dayana deacon dean deanna deepa deepak delaney delilah della delores demetrius denise derek derrick desiree desmond
destiny devin devon dexter diana diane diego dillon dina dion dixie dominique donna donovan dora doreen doris doyle drake duane duncan
dustin dwayne dwight dylan earl easton ebony eden edgar edith efrain eileen elaine eldon eli elian elias elijah elisa elise eliseo elissa
ella elle ellen elliana elliot elliott ellis elmer eloise elsa elton elvira elvis emanuel ember emerson emery emilio emily emma emmanuel
emmett enrique eric erica erick ericka erik erika erin ernestine ervin estella estelle esteban estrella ethan ethel eugenia eva evan
evangeline everett ezra faith fabian faye felicia felicity felix fernanda fernando fidel fiona flora forrest francine freda frida gage
garrett garth gary gavin gene genesis geneva genevieve gianna gilberto gina giovanni giselle gladys glen glenda glenn gloria gordon grace
gracie grady graham grant grayson gretchen greta griffin guadalupe guillermo gus gustavo guy gwen hadley hailey haley hana harley harlan
harmony harper harrison harvey hassan hayden haylee hazel heather hector heidi helena herman hilda holden holly homer hope horace hubert
hudson hugh hugo hunter ian ibrahim ida ignacio iliana imani imran ina india ines ingrid ira iris irma irvin irving isaiah isaias isha
isis ismael israel itzel ivan ivy jace jacinda jackson jada jade jaden jadyn jaiden jaime jalen jamal jamar jamel jameson jana janae
jane janelle janessa janine jared jarrod jasmin jasmine jason jasper javier jax jaxon jaxson jay jaya jayce jayden jayla jaylen jaylin
jayson jazmin jean jed jefferson jenna jerald jeremy jermaine jerome jerrod jessie jill jillian joaquin jocelyn jodi jody joel joelle
joey johanna jolene jonas jordan jordana jordyn jorge josue jovan joy joyce juan juanita judah jude julian juliana juliet juliette julio
julius june junior justice justin justina kade kadence kai kaiden kaitlin kaitlyn kaleb kali kamila kara kareem karen karina karl karla
karma kasey kassandra katelyn kaya kayden kayla kaylee kayleigh keegan keely keenan keira keisha keith kelley kelli kelly kelsey kelvin
kendall kendra kennedy kenya keri kerri kerry kevin khalil khloe kian kiana kiara kiera kieran kimora kinsley kira kirk kirsten knox kobe
kody kolton krista kristi kristian krystal kurt kurtis kyla kyle kylee kyler kyra lacey laila lakshmi lamar lamont lana lance landon
lane lara larissa latasha latisha latonya latoya laura laurel lauryn lavonne lawson layla layne lea leah leandro leann leanna lee
leigh leila leilani leland lena leo leonel leroy leticia levi lewis lexie liam lila lilah liliana lillie lina lionel lisa liza lloyd
logan lola london lonnie lorena lorna lorraine lottie louis lourdes lowell lucas lucia lucian luciana lucille luka luke lula luna
luther luz lyla lyle lynda lynette lynn lyric mabel macie mack mackenzie macy madalyn maddox madelyn madison mae maeve maggie maia
makayla makenna malachi malcolm malia malik mallory mara maranda marcel marcella marcelo marcia margot mariah mariana marianne maribel
maricela marilyn marina mario marion marisa marisol marissa marjorie marla marlene marley marlon marquis marshall marta marvin mason
mateo maura maurice maverick max maxine maya mckenna mckenzie mckinley megan meghan melanie melinda melody melvin mercedes meredith mia
micah michaela mikayla mila milagros milan milena miles milo milton mina mindy minerva minnie mira miracle miranda mireya miriam misty
mitch moises molly mona monica monique morgan moses muriel mya myles myra myrna myron myrtle nadia nadine naomi nash nasir natalya
nayeli neal ned neha nehemiah neil nelson neva nevaeh nia nichole nico nigel nikita nina nita noah noel noelle noemi nolan nora norah
norma octavia octavio odell olga olive ollie omar ophelia orion orlando orville osvaldo otis owen paige paisley paloma pamela paola
paris parker patience patti paulette paxton payton pearl perla perry peyton phoebe phoenix phyllis pierce piper porter precious presley
preston prince priya qiana quentin quincy quinn quinton rachael rafael rahul raj ralph ramiro ramona ramsey randi raphael rashad raul
raven ravi reagan reed reese regina reid reina remington renata rene renee reuben rex reyna rhett rhonda ricardo richelle riley rio
rita river robyn rocco rocio rocky rodrigo roger roland roman romeo ronan ronda rory rosalia rosalyn rosanna roscoe rosemarie roslyn
ross roxanne roy ruben ruby rudolph rudy rufus rupert ruth ryan ryder ryker rylan rylee ryleigh sabrina sade sadie sage salma salvador
salvatore sanjay santana santiago santos sarai sasha saul savannah sawyer scarlett scott seamus selena selma serena serenity seth shana
shane shania shanice shanna shannon shari sharla shaun shauna shawna shayla shayna sheena sheila shelby sheldon shelia shelton sheri
sherman shirley sienna sierra silas simon simone skylar skyler sloane sofia solomon sonia sonja sonya spencer stacey staci stacie stacy
stanley starla stella sterling stuart summer sunita suresh sydney tabitha talia tamara tamika tammie tammy tania tanner tanya tara
tasha tatiana tatum tatyana taylor tera terrell tessa thaddeus thalia thelma theo tia tiana tiara tiffany timmy tina toby todd tomas
toni tonia tonya tracey traci tracy travis trent trenton trever trevon trevor trey trina trinity tristan tristen troy tucker turner
twila tyree tyrell tyrone tyson ulises uriel vanessa vaughn velma vera verna vernon veronica vicente victoria vijay vikram vincent viola
violet virgil viviana wade walker wanda warren waylon wayne wendell weston wilbert wilbur wilda wilfred willa willard willis wilma wilson
winston wyatt ximena yadira yahir yahya yaretzi yasmin yasmine yasir yesenia yolanda yosef yvette yvonne zainab zander zane zara zayden
zion zoe zoey zuri`
