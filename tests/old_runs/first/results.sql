BEGIN TRANSACTION;
CREATE TABLE curves (
	run_id VARCHAR(32) NOT NULL, 
	number INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	seconds FLOAT NOT NULL, 
	bits_per_byte FLOAT NOT NULL, 
	PRIMARY KEY (run_id, number, step), 
	FOREIGN KEY(run_id, number) REFERENCES evaluations (run_id, number)
);
INSERT INTO "curves" VALUES('18eb733b69137c35',0,1,9.63083399983588606119e-03,8.00426106414046);
INSERT INTO "curves" VALUES('18eb733b69137c35',0,2,1.68028789998970751184e-02,7.97610200074939);
INSERT INTO "curves" VALUES('18eb733b69137c35',0,3,2.37100619999637274304e-02,7.95894638736052328908e+00);
INSERT INTO "curves" VALUES('18eb733b69137c35',1,1,6.46731199981331883464e-03,7.95298546868161881917e+00);
INSERT INTO "curves" VALUES('18eb733b69137c35',1,2,1.26052059999892662744e-02,7.87658458379292802931e+00);
INSERT INTO "curves" VALUES('18eb733b69137c35',1,3,1.87614479998501337831e-02,7.89123819357704281429e+00);
INSERT INTO "curves" VALUES('18eb733b69137c35',2,1,6.45273999998607905581e-03,7.92758707080219870988e+00);
INSERT INTO "curves" VALUES('18eb733b69137c35',2,2,1.22610869998425187077e-02,7.55925113951871807671e+00);
INSERT INTO "curves" VALUES('18eb733b69137c35',2,3,1.77918929998668318148e-02,7.28129071540243621996e+00);
INSERT INTO "curves" VALUES('18eb733b69137c35',3,1,1.48551359998236875981e-02,7.92758707080219870988e+00);
INSERT INTO "curves" VALUES('18eb733b69137c35',3,2,2.59226869998201436828e-02,7.50898748997755394185e+00);
INSERT INTO "curves" VALUES('18eb733b69137c35',3,3,3.19298479998906259424e-02,7.16163481796054224304e+00);
INSERT INTO "curves" VALUES('18eb733b69137c35',4,1,0.00962610700003097,7.92758707080219870988e+00);
INSERT INTO "curves" VALUES('18eb733b69137c35',4,2,1.61260879999645112548e-02,7.71538455720861371389e+00);
INSERT INTO "curves" VALUES('18eb733b69137c35',4,3,2.30676819999189319787e-02,7.59934098336544217033e+00);
INSERT INTO "curves" VALUES('18eb733b69137c35',5,1,1.1825421999901664094e-02,7.94339640400011148813e+00);
INSERT INTO "curves" VALUES('18eb733b69137c35',5,2,2.06571530000019265571e-02,7.82184594567631297223e+00);
INSERT INTO "curves" VALUES('18eb733b69137c35',5,3,2.83564689998456742614e-02,7.77605590884939168461e+00);
INSERT INTO "curves" VALUES('18eb733b69137c35',6,1,6.74060599999393161851e-03,7.96791012312349344881e+00);
INSERT INTO "curves" VALUES('18eb733b69137c35',6,2,1.28821559999323653755e-02,7.78671264182745481718e+00);
INSERT INTO "curves" VALUES('18eb733b69137c35',6,3,2.03548259999024594435e-02,7.38408543375374);
INSERT INTO "curves" VALUES('18eb733b69137c35',7,1,1.01453750000928266672e-02,8.00170952953226);
INSERT INTO "curves" VALUES('18eb733b69137c35',7,2,2.10559130000547156669e-02,7.81519984811637069554e+00);
INSERT INTO "curves" VALUES('18eb733b69137c35',7,3,3.15371660001346754143e-02,7.48377483336106585909e+00);
INSERT INTO "curves" VALUES('18eb733b69137c35',8,1,1.09659899999314802698e-02,7.98663628208003917308e+00);
INSERT INTO "curves" VALUES('18eb733b69137c35',8,2,2.24911479999718721956e-02,7.92558037723193198331e+00);
INSERT INTO "curves" VALUES('18eb733b69137c35',8,3,3.44194720000814413651e-02,7.88007995918906356536e+00);
INSERT INTO "curves" VALUES('18eb733b69137c35',9,1,9.87517600015053176321e-03,7.89687647280292903673e+00);
INSERT INTO "curves" VALUES('18eb733b69137c35',9,2,2.14704980000988143729e-02,7.62757640705349526655e+00);
INSERT INTO "curves" VALUES('18eb733b69137c35',9,3,3.30828349999592319363e-02,7.52123540644139954025e+00);
INSERT INTO "curves" VALUES('18eb733b69137c35',10,1,1.11519760000646783737e-02,7.92758707080219870988e+00);
INSERT INTO "curves" VALUES('18eb733b69137c35',10,2,0.0229286559999764,7.85205297847385708109e+00);
INSERT INTO "curves" VALUES('18eb733b69137c35',10,3,3.43098210000789549667e-02,7.8024538698956265037e+00);
INSERT INTO "curves" VALUES('18eb733b69137c35',11,1,8.8503690001289214706e-03,7.98459450404899584441e+00);
INSERT INTO "curves" VALUES('18eb733b69137c35',11,2,1.80011019999710697447e-02,7.78737855865159556145e+00);
INSERT INTO "curves" VALUES('18eb733b69137c35',11,3,2.88711410000814794329e-02,7.53005880436126506793e+00);
CREATE TABLE evaluations (
	run_id VARCHAR(32) NOT NULL, 
	number INTEGER NOT NULL, 
	genome_id VARCHAR(12) NOT NULL, 
	rung INTEGER NOT NULL, 
	seed BIGINT NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	reason TEXT NOT NULL, 
	detail TEXT NOT NULL, 
	metrics JSON NOT NULL, 
	worker VARCHAR(200) NOT NULL, 
	device VARCHAR(64) NOT NULL, 
	submitted FLOAT NOT NULL, 
	started FLOAT, 
	ended FLOAT, 
	submitted_event INTEGER NOT NULL, 
	ended_event INTEGER, 
	PRIMARY KEY (run_id, number), 
	FOREIGN KEY(run_id, genome_id) REFERENCES genomes (run_id, id), 
	UNIQUE (run_id, genome_id, rung, seed), 
	FOREIGN KEY(run_id) REFERENCES runs (id)
);
INSERT INTO "evaluations" VALUES('18eb733b69137c35',0,'e885377d237d',0,673228719,'finished','','','{"parameters": 13456, "flops_per_token": 36066.0, "state_size": 4096, "bits_per_byte": 7.976956280773337, "step_time": 7.144284000105472, "train_seconds": 0.023746404999883453, "train_tokens": 384}','host:1','cpu',1.79565557551281785968e+09,1.79565557551397800449e+09,1.79565557692748618131e+09,0,1);
INSERT INTO "evaluations" VALUES('18eb733b69137c35',1,'7c625ca5ea30',0,673228719,'finished','','','{"parameters": 16016, "flops_per_token": 41826.0, "state_size": 4096, "bits_per_byte": 7.879105784898039, "step_time": 6.126107000000047, "train_seconds": 0.018794326999795885, "train_tokens": 384}','host:1','cpu',1.79565557693286252018e+09,1.79565557693324708943e+09,1.7956555771703782082e+09,2,3);
INSERT INTO "evaluations" VALUES('18eb733b69137c35',2,'cb2badfdfd69',0,673228719,'finished','','','{"parameters": 16528, "flops_per_token": 41954.0, "state_size": 4096, "bits_per_byte": 7.18703078084806, "step_time": 5.786123999996562, "train_seconds": 0.017818010999917533, "train_tokens": 384}','host:1','cpu',1.79565557717330694193e+09,1.79565557717368412017e+09,1.79565557745168614392e+09,4,5);
INSERT INTO "evaluations" VALUES('18eb733b69137c35',3,'df963ca45fc0',0,673228719,'finished','','','{"parameters": 16528, "flops_per_token": 41954.0, "state_size": 4096, "bits_per_byte": 7.046468991115188, "step_time": 11.043644999972457, "train_seconds": 0.03196360799984177, "train_tokens": 384}','host:1','cpu',1.7956555774588768482e+09,1.79565557745913863176e+09,1.79565557773187351223e+09,6,7);
INSERT INTO "evaluations" VALUES('18eb733b69137c35',4,'aa0cc9fb772e',0,673228719,'finished','','','{"parameters": 16528, "flops_per_token": 41954.0, "state_size": 4096, "bits_per_byte": 7.561991677512389, "step_time": 6.91168999992442, "train_seconds": 0.023101942000039344, "train_tokens": 384}','host:1','cpu',1.79565557773539328581e+09,1.79565557773571944232e+09,1.79565557798180437092e+09,8,9);
INSERT INTO "evaluations" VALUES('18eb733b69137c35',5,'f97e5724b30d',0,673228719,'finished','','','{"parameters": 14992, "flops_per_token": 39522.0, "state_size": 4096, "bits_per_byte": 7.730536918697623, "step_time": 8.793074000095658, "train_seconds": 0.028407523999931072, "train_tokens": 384}','host:1','cpu',1.79565557798638558394e+09,1.79565557798690390587e+09,1.79565557828100609777e+09,10,11);
INSERT INTO "evaluations" VALUES('18eb733b69137c35',6,'0f1c8716f050',0,673228719,'finished','','','{"parameters": 15504, "flops_per_token": 40674.0, "state_size": 4096, "bits_per_byte": 7.282324493534162, "step_time": 6.740605999993932, "train_seconds": 0.020402025999828766, "train_tokens": 384}','host:1','cpu',1.79565557828373146059e+09,1.79565557828399300572e+09,1.79565557856977653502e+09,12,13);
INSERT INTO "evaluations" VALUES('18eb733b69137c35',7,'203db8b18002',0,673228719,'finished','','','{"parameters": 13456, "flops_per_token": 36066.0, "state_size": 4096, "bits_per_byte": 7.429682795542117, "step_time": 10.435294999979305, "train_seconds": 0.03158660899998722, "train_tokens": 384}','host:1','cpu',1.79565557857393097874e+09,1.7956555785743687153e+09,1.79565557886075782782e+09,14,15);
INSERT INTO "evaluations" VALUES('18eb733b69137c35',8,'89691ea5d27f',0,673228719,'finished','','','{"parameters": 16016, "flops_per_token": 41826.0, "state_size": 4096, "bits_per_byte": 7.873382804805009, "step_time": 11.497837999968397, "train_seconds": 0.03447156900006121, "train_tokens": 384}','host:1','cpu',1.79565557886521482465e+09,1.79565557886571073534e+09,1.79565557916901087764e+09,16,17);
INSERT INTO "evaluations" VALUES('18eb733b69137c35',9,'58e357fd364a',0,673228719,'finished','','','{"parameters": 14480, "flops_per_token": 38370.0, "state_size": 4096, "bits_per_byte": 7.465181660871909, "step_time": 11.556103999964762, "train_seconds": 0.033143094000024576, "train_tokens": 384}','host:1','cpu',1.79565557917253112787e+09,1.79565557917289829251e+09,1.79565557947180724144e+09,18,19);
INSERT INTO "evaluations" VALUES('18eb733b69137c35',10,'7544c31677c5',0,673228719,'finished','','','{"parameters": 16528, "flops_per_token": 41954.0, "state_size": 4096, "bits_per_byte": 7.80501898087817, "step_time": 11.33480600014991, "train_seconds": 0.03436502199997449, "train_tokens": 384}','host:1','cpu',1.79565557947586369519e+09,1.79565557947631287572e+09,1.79565557976256418232e+09,20,21);
INSERT INTO "evaluations" VALUES('18eb733b69137c35',11,'5fc0af823b76',0,673228719,'finished','','','{"parameters": 13968, "flops_per_token": 37218.0, "state_size": 4096, "bits_per_byte": 7.487362254275422, "step_time": 9.125845999960802, "train_seconds": 0.028920814000002792, "train_tokens": 384}','host:1','cpu',1.79565557976567029959e+09,1.79565557976592898373e+09,1.79565558006825041767e+09,22,23);
CREATE TABLE genomes (
	run_id VARCHAR(32) NOT NULL, 
	id VARCHAR(12) NOT NULL, 
	birth INTEGER NOT NULL, 
	operator VARCHAR(32) NOT NULL, 
	parents JSON NOT NULL, 
	"values" JSON NOT NULL, 
	PRIMARY KEY (run_id, id), 
	FOREIGN KEY(run_id) REFERENCES runs (id)
);
INSERT INTO "genomes" VALUES('18eb733b69137c35','e885377d237d',0,'random','[]','{"training.learning_rate": 0.0029327, "embedding.kind": "spectral", "embedding.bases": 2, "embedding.frequencies": [1.61542, 3.01499]}');
INSERT INTO "genomes" VALUES('18eb733b69137c35','7c625ca5ea30',1,'random','[]','{"training.learning_rate": 0.0012126, "embedding.kind": "spectral", "embedding.bases": 7, "embedding.frequencies": [1.05321, 3.2875]}');
INSERT INTO "genomes" VALUES('18eb733b69137c35','cb2badfdfd69',2,'random','[]','{"training.learning_rate": 0.0183004, "embedding.kind": "standard"}');
INSERT INTO "genomes" VALUES('18eb733b69137c35','df963ca45fc0',3,'random','[]','{"training.learning_rate": 0.0221543, "embedding.kind": "standard"}');
INSERT INTO "genomes" VALUES('18eb733b69137c35','aa0cc9fb772e',4,'mutation','["cb2badfdfd69"]','{"training.learning_rate": 0.0086811, "embedding.kind": "standard"}');
INSERT INTO "genomes" VALUES('18eb733b69137c35','f97e5724b30d',5,'crossover','["df963ca45fc0", "e885377d237d"]','{"training.learning_rate": 0.00574913, "embedding.kind": "spectral", "embedding.bases": 5, "embedding.frequencies": [0.925246, 1.84337]}');
INSERT INTO "genomes" VALUES('18eb733b69137c35','0f1c8716f050',6,'mutation','["cb2badfdfd69"]','{"training.learning_rate": 0.0183004, "embedding.kind": "spectral", "embedding.bases": 6, "embedding.frequencies": [2.98638, 4.51057]}');
INSERT INTO "genomes" VALUES('18eb733b69137c35','203db8b18002',7,'crossover','["df963ca45fc0", "e885377d237d"]','{"training.learning_rate": 0.0258183, "embedding.kind": "spectral", "embedding.bases": 2, "embedding.frequencies": [2.32942, 2.6758]}');
INSERT INTO "genomes" VALUES('18eb733b69137c35','89691ea5d27f',8,'crossover','["e885377d237d", "df963ca45fc0"]','{"training.learning_rate": 0.0029327, "embedding.kind": "spectral", "embedding.bases": 7, "embedding.frequencies": [0.523258, 0.887438]}');
INSERT INTO "genomes" VALUES('18eb733b69137c35','58e357fd364a',9,'crossover','["203db8b18002", "df963ca45fc0"]','{"training.learning_rate": 0.0119681, "embedding.kind": "spectral", "embedding.bases": 4, "embedding.frequencies": [3.78307, 5.93558]}');
INSERT INTO "genomes" VALUES('18eb733b69137c35','7544c31677c5',10,'crossover','["df963ca45fc0", "e885377d237d"]','{"training.learning_rate": 0.00275809, "embedding.kind": "standard"}');
INSERT INTO "genomes" VALUES('18eb733b69137c35','5fc0af823b76',11,'mutation','["df963ca45fc0"]','{"training.learning_rate": 0.0299639, "embedding.kind": "spectral", "embedding.bases": 3, "embedding.frequencies": [3.32456, 5.16488]}');
CREATE TABLE runs (
	id VARCHAR(32) NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	reason TEXT NOT NULL, 
	created FLOAT NOT NULL, 
	seconds FLOAT NOT NULL, 
	settings JSON NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "runs" VALUES('18eb733b69137c35','tiny-20261126-011255','finished','budget spent',1795655575.49714,4.56497810099995149357e+00,'{"seed": 0, "algorithm": "evolution", "synchronous": false, "set": [], "corpus": {"name": "files 2896e3a719f7", "hash": "86b1845049c23a0f3954885fd1ffa033465c034500b0c0712703c8f1df0f08f6"}, "id": "18eb733b69137c35", "directory": "/home/somebody", "versions": {"python": "3.11.7", "platform": "Linux-x86_64", "hrfevo": "0.1.0", "torch": "2.13.0+cpu", "numpy": "2.4.6", "deap": "1.4.4", "ray": "2.60.0", "optuna": "5.0.0", "PyWavelets": "1.9.0", "tokenizers": "0.23.3", "SQLAlchemy": "2.1.9"}, "store": null}');
CREATE TABLE schema_version (
	version INTEGER NOT NULL
);
INSERT INTO "schema_version" VALUES(1);
COMMIT;
