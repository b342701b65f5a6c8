package sim

import "strings"

// The heads of the tables, commonest first. Hand-made: well-known names in their rough order, no copied counts.
// A hyphen stands for a space.
var (
	familyHead = words(`Smith Johnson Williams Brown Jones Miller Davis Wilson Anderson Thomas Taylor Moore Jackson
		Martin Lee Thompson White Harris Clark Lewis Robinson Walker Young Allen King Wright Scott Hill Green Adams
		Nelson Baker Hall Campbell Mitchell Carter Roberts Phillips Evans Turner Parker Collins Edwards Stewart Morris
		Murphy Cook Rogers Morgan Peterson Cooper Reed Bailey Bell Kelly Howard Ward Cox Richardson Wood Watson Brooks
		Bennett Gray James Hughes Price Myers Long Foster Sanders Ross O'Brien McDonald O'Connor St.-John Van-Dyke
		De-Luca Di-Marco Van-den-Berg MacKenzie O'Neill`)
	blackHead = words(`Williams Johnson Smith Jones Brown Jackson Davis Thomas Harris Robinson Washington Banks Booker
		Jefferson Gaines Mosley Dorsey Rivers Charles Joseph Coleman Ellis Simmons Alexander Henderson Jenkins Glover`)
	hispanicHead = words(`García Rodríguez Martínez Hernández López González Pérez Sánchez Ramírez Torres Flores Rivera
		Gómez Díaz Cruz Reyes Morales Gutiérrez Ortiz Ramos Mendoza Castillo Jiménez Vargas Romero Herrera Medina Aguilar
		Vega Castro Guzmán Salazar Soto Delgado Peña Ríos Silva Contreras Guerrero Núñez De-la-Cruz Del-Valle Muñoz Ávila
		Rojas Campos Santos Estrada Figueroa Mejía Solís Ibarra Lara Ochoa Cárdenas Zúñiga Trujillo Pacheco`)
	chineseHead    = words(`Wang Li Zhang Liu Chen Yang Huang Zhao Wu Zhou Xu Sun Ma Zhu Hu Guo He Lin Gao Luo`)
	vietnameseHead = words(`Nguyen Tran Le Pham Huynh Hoang Phan Vu Vo Dang Bui Do Ho Ngo Duong Ly`)
	koreanHead     = words(`Kim Lee Park Choi Jung Kang Cho Yoon Jang Lim Han Oh Seo Shin Kwon`)
	indianHead     = words(`Patel Singh Shah Sharma Gupta Kumar Reddy Khan Krishnan Srinivasan Chowdhury Kaur Rao Desai
		Iyer Mehta Joshi Nair Das Ahmed`)
	asianHead = words(`Santos Reyes Cruz Bautista Garcia Ocampo Dela-Cruz Villanueva Mendoza Tanaka Sato Suzuki Yang Xiong Vang`)
	arabHead  = words(`Al-Hassan Hussain Ali Ahmad Said Haddad Khalil Mansour Nasser Saleh Ibrahim Abdi Mohamed Osman
		Farah Rahman Aziz Hamdan Tesfaye Kovalenko`)
	nativeHead = words(`Begay Yazzie Benally Tsosie Nez Smith Johnson Whitehorse Locklear Lowery Oxendine Brown Chee`)

	femaleHeads = [3][]string{
		words(`Mary Patricia Barbara Linda Carol Judith Margaret Shirley Nancy Dorothy Betty Susan Helen Ruth Sharon Joan
			Virginia Donna Janet Frances Sandra Ann Judy Joyce Gloria Evelyn Martha Jean Marie Alice`),
		words(`Jennifer Lisa Kimberly Michelle Amy Angela Melissa Jessica Elizabeth Stephanie Mary Nicole Heather Rebecca
			Laura Amanda Christine Karen Sarah Susan Rachel Andrea Tina Katherine Megan Julie Emily Erin Crystal Danielle`),
		words(`Emily Emma Olivia Sophia Madison Isabella Ava Hannah Abigail Ashley Alexis Mia Samantha Chloe Grace Ella
			Charlotte Lily Natalie Avery Harper Amelia Evelyn Sofia Aria Layla Zoe Nora Hailey Kayla`),
	}
	maleHeads = [3][]string{
		words(`James Robert John William Richard Charles Donald George Thomas David Joseph Ronald Edward Kenneth Paul
			Frank Raymond Gary Larry Jerry Harold Walter Henry Arthur Albert Jack Dennis Carl Ralph Roger`),
		words(`Michael David John James Christopher Robert Jason William Matthew Joshua Brian Daniel Joseph Kevin Eric
			Jeffrey Timothy Andrew Steven Thomas Mark Anthony Scott Ryan Richard Justin Charles Gregory Brandon Sean`),
		words(`Jacob Michael Ethan Noah Liam Mason Joshua Matthew Daniel Alexander William Anthony Jayden Logan Benjamin
			Elijah James Aiden Jackson Lucas Oliver Henry Samuel David Nathan Dylan Caleb Isaac Owen Leo`),
	}
	femaleHispanic = words(`María Guadalupe Ana Rosa Carmen Juana Luz Elena Teresa Gloria Isabel Sofía Valentina Camila
		Gabriela Daniela Alejandra Lucía Mariana Ximena Leticia Yolanda Silvia Patricia Verónica Margarita`)
	maleHispanic = words(`José Juan Luis Carlos Jesús Antonio Miguel Francisco Manuel Jorge Pedro Rafael Alejandro Diego
		Ricardo Fernando Eduardo Javier Mateo Santiago Roberto Raúl Héctor Sergio Víctor Arturo`)
	femaleBlack = words(`Latoya Keisha Tamika Ebony Imani Kiara Aaliyah Nia Shanice Tiara Jada Destiny Raven Monique
		Yolanda Tanisha Precious Zaria`)
	maleBlack = words(`Darnell Tyrone Jamal DeShawn Malik Terrell Marquis Xavier Isaiah Jaylen Andre Reginald Cedric
		Demetrius Trevon Jalen Khalil Amir`)
	femaleChinese    = words(`Mei Li-Na Xiu Ying Fang Jing Yan Hui Min Xin-Yi Yu-Ting Hong`)
	maleChinese      = words(`Wei Jian Ming Hao Jun Feng Lei Bo Qiang Jia-Hao Zhi Yong`)
	femaleVietnamese = words(`Lan Huong Linh Thuy Hoa Mai Ngoc Phuong Trang Thi-Hanh Nga Kim`)
	maleVietnamese   = words(`Minh Hung Tuan Duc Nam Van-Long Khoa Quang Thanh Hai Binh Dung`)
	femaleKorean     = words(`Ji-Woo Seo-Yeon Min-Ji Hye-Jin Soo-Jin Eun-Ji Young-Hee Sun-Hee Mi-Sook`)
	maleKorean       = words(`Min-Jun Ji-Hoon Sung-Ho Jae-Won Young-Soo Hyun-Woo Dong-Hyun Sang-Min`)
	femaleIndian     = words(`Priya Anjali Sunita Kavita Lakshmi Deepa Neha Pooja Asha Meera Ananya Fatima`)
	maleIndian       = words(`Raj Amit Sanjay Rahul Vijay Suresh Arjun Anil Ravi Deepak Mohammad Vikram`)
	femaleArab       = words(`Fatima Aisha Mariam Khadija Zaynab Layla Noor Amina Hana Yasmin Natalia Yulia`)
	maleArab         = words(`Muhammad Ahmad Ali Yusuf Umar Abdullah Husayn Ibrahim Said Uthman Abdulrahman Dmitri Sergei Aleksandr`)

	middleFemale = words(`Marie Ann Lynn Elizabeth Nicole Michelle Rose Grace Louise Jane Renee Mae Jean Christine Kay
		Faith Hope Catherine Claire Diane`)
	middleMale = words(`Lee James Michael Alan David Joseph Edward Robert John William Scott Ray Allen Thomas Wayne
		Patrick Andrew Charles Daniel Paul`)
)

// The parts the names of the tail are made of: real name lists in libraries end at some two thousand names, real
// populations do not.
var (
	roots = words(`Ash Brad Black Bren Burl Cald Carl Clay Cold Cray Dal Den Dray East Eld Fair Farn Gar Glen Grim Hal
		Ham Hart Hazel Hol Hunt Ken King Kirk Lang Lin Lock Mar May Mer Mid New Nor Oak Old Pem Pres Quin Rad Red Rush
		Sand Sel Shel Stan Stock Sud Thorn Tre Up Wal War Wes Whit Win Wood York Zell Bauer Berg Blum Eisen Gold Haupt
		Kauf Kling Lich Loewen Rosen Schoen Stein Wein Zimmer Czer Dobro Jan Kowal Mal Nowa Pietr Wis Bal Cap Fer Gal
		Lom Mont Pal Ric Sal Tor Van Ver`)
	endings = words(`ford ham ley ton well worth man son berg stein ski by croft den field gate hurst ing land low mere
		more ridge sen shaw stead ter thorpe wick wood burn bach feld hoff meyer thal wald ak czyk enko ini elli etti one ucci ard eau`)
	givenFirst = words(`Ja Ka La Ma Ta Bra Cay De Jay Kay Lay Mar Ray Shay Tay Bri Cam Dar Ev Har Jor Ken Lon Mad Nev Pay Ry Sky Tre Wes`)
	givenLast  = map[string][]string{"female": words(`lynn leigh la na nisha ra ria sha ya lee ana elle ina ette issa`),
		"male": words(`den ton son vin shawn mar rell quan von land ley ric der iah ius`)}
)

var (
	streetRoots = words(`Oak Maple Cedar Elm Washington Lake Hill Park Main Church Walnut Spring River Chestnut Mill
		Franklin Jefferson Highland Prospect Union Ridge Sunset Meadow Forest Willow Cherry Locust Pleasant Orchard Canal
		Lincoln Jackson Madison Monroe Adams Grant Sherman Division Market Water Front Bridge Academy Court Depot Railroad
		Fox Deer Quail Heron Otter Falcon Stone Granite Marble Amber Silver Copper Holly Laurel Juniper Birch Aspen Poplar`)
	streetEnds  = []string{"", "", "", "view", "wood", "crest", "dale", "field", "brook", "haven", "side", "ford"}
	streetKinds = words(`Street Avenue Road Drive Lane Court Place Boulevard Circle Terrace`)
)

// nicknames are what a clerk may write for a given name.
var nicknames = map[string][]string{
	"Robert": {"Bob", "Rob"}, "William": {"Bill", "Will"}, "James": {"Jim", "Jimmy"}, "Richard": {"Rick", "Dick"},
	"Michael": {"Mike"}, "Joseph": {"Joe"}, "Thomas": {"Tom"}, "Charles": {"Chuck", "Charlie"}, "Daniel": {"Dan"},
	"Matthew": {"Matt"}, "Anthony": {"Tony"}, "Christopher": {"Chris"}, "Andrew": {"Andy", "Drew"}, "Edward": {"Ed", "Ted"},
	"Kenneth": {"Ken"}, "Timothy": {"Tim"}, "Jeffrey": {"Jeff"}, "Gregory": {"Greg"}, "Benjamin": {"Ben"}, "Samuel": {"Sam"},
	"Elizabeth": {"Liz", "Beth", "Betty"}, "Margaret": {"Peggy", "Meg"}, "Patricia": {"Pat", "Trish"}, "Katherine": {"Kathy", "Kate"},
	"Jennifer": {"Jen", "Jenny"}, "Jessica": {"Jess"}, "Rebecca": {"Becky"}, "Susan": {"Sue"}, "Deborah": {"Debbie"},
	"Christine": {"Chris", "Tina"}, "Barbara": {"Barb"}, "Kimberly": {"Kim"}, "Stephanie": {"Steph"}, "Samantha": {"Sam"},
	"Alexander": {"Alex"}, "Nicholas": {"Nick"}, "Joshua": {"Josh"}, "Francisco": {"Paco"}, "José": {"Pepe"}, "Guadalupe": {"Lupe"},
	"Teresa": {"Tere"}, "Rafael": {"Rafa"}, "Abigail": {"Abby"}, "Judith": {"Judy"}, "Dorothy": {"Dot"}, "Donald": {"Don"},
	"Ronald": {"Ron"}, "Lawrence": {"Larry"}, "Stephen": {"Steve"}, "Steven": {"Steve"}, "Raymond": {"Ray"}, "Frances": {"Fran"},
	"Virginia": {"Ginny"}, "Jacob": {"Jake"}, "Zachary": {"Zach"}, "Nathan": {"Nate"}, "Amanda": {"Mandy"}, "Melissa": {"Missy"},
	"Theodore": {"Ted"}, "Frederick": {"Fred"}, "Eleanor": {"Nell"}, "Isabella": {"Bella"}, "Madison": {"Maddie"}, "Alejandro": {"Alex"},
}

// spellings are ways of writing one name that has come from another script or convention.
var spellings = groups(
	"Muhammad Mohammed Mohammad Mohamed Mohamad", "Ahmad Ahmed", "Yusuf Yousef Yousuf Youssef", "Abdullah Abdallah Abdulla",
	"Abdulrahman Abdur-Rahman Abdurrahman", "Husayn Hussein Hussain Husain", "Fatima Fatimah Fatma", "Aisha Aysha Ayesha Aicha",
	"Khadija Khadijah Khadeeja", "Umar Omar Omer", "Uthman Osman Othman", "Said Saeed Sayed", "Al-Hassan Alhassan El-Hassan",
	"Chowdhury Choudhury Chaudhry", "Singh Sing", "Krishnan Krishnen", "Srinivasan Shrinivasan", "Zhang Chang", "Huang Hwang Wong",
	"Li Lee", "Wang Wong", "Zhao Chao", "Xu Hsu", "Park Pak", "Choi Choe", "Jung Jeong Chung", "Aleksandr Alexander Alexandr",
	"Sergei Sergey", "Dmitri Dmitry Dmitriy", "Yulia Julia Yuliya", "Natalia Nataliya Natalya", "Kovalenko Kovalenco",
	"Tesfaye Tesfay Tesfai", "MacKenzie McKenzie", "McDonald MacDonald", "Van-den-Berg Vanderberg Vandenberg", "St.-John Saint-John Stjohn",
)

func words(s string) []string {
	out := strings.Fields(s)
	for i, w := range out {
		if w != "Al-Hassan" && w != "El-Hassan" {
			out[i] = strings.ReplaceAll(w, "-", " ")
		}
	}
	return out
}

// groups returns, for each name, the others of its line.
func groups(lines ...string) map[string][]string {
	out := map[string][]string{}
	for _, line := range lines {
		all := words(line)
		for i, name := range all {
			if out[name] != nil {
				continue // in an earlier group already: one is enough
			}
			for j, o := range all {
				if i != j {
					out[name] = append(out[name], o)
				}
			}
		}
	}
	return out
}
