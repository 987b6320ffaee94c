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
INSERT INTO "curves" VALUES('18eb733dccaf05a1',0,1,9.15405900013865903019e-03,7.92758707080219870988e+00);
INSERT INTO "curves" VALUES('18eb733dccaf05a1',0,2,1.61179360002279281616e-02,7.47808289554811089772e+00);
INSERT INTO "curves" VALUES('18eb733dccaf05a1',0,3,2.28693080002813076134e-02,7.08340128594425788577e+00);
INSERT INTO "curves" VALUES('18eb733dccaf05a1',1,1,1.09044089999770221766e-02,7.92758707080219870988e+00);
INSERT INTO "curves" VALUES('18eb733dccaf05a1',1,2,1.86399379999784287065e-02,7.66063903978596449917e+00);
INSERT INTO "curves" VALUES('18eb733dccaf05a1',1,3,2.94449900000017805723e-02,7.49701543368569200964e+00);
INSERT INTO "curves" VALUES('18eb733dccaf05a1',2,1,1.12488289998964319238e-02,7.93221477997161539263e+00);
INSERT INTO "curves" VALUES('18eb733dccaf05a1',2,2,0.0212612379998518,7.91589706605775234038e+00);
INSERT INTO "curves" VALUES('18eb733dccaf05a1',2,3,2.81859269998676609247e-02,7.89696659171198067639e+00);
INSERT INTO "curves" VALUES('18eb733dccaf05a1',3,1,1.19323900000836147228e-02,7.92758707080219870988e+00);
INSERT INTO "curves" VALUES('18eb733dccaf05a1',3,2,2.17317430001457978505e-02,7.85950533070104384592e+00);
INSERT INTO "curves" VALUES('18eb733dccaf05a1',3,3,3.17248240000935766147e-02,7.81181110196377);
INSERT INTO "curves" VALUES('18eb733dccaf05a1',4,1,1.09029669999927136814e-02,8.00745581386288662883e+00);
INSERT INTO "curves" VALUES('18eb733dccaf05a1',4,2,2.1825201999945420539e-02,7.95291323596825616704e+00);
INSERT INTO "curves" VALUES('18eb733dccaf05a1',4,3,3.26727269998627889435e-02,7.85844110205750467912e+00);
INSERT INTO "curves" VALUES('18eb733dccaf05a1',5,1,8.9365169999382487731e-03,7.96936234462737846939e+00);
INSERT INTO "curves" VALUES('18eb733dccaf05a1',5,2,1.78026200001113465987e-02,7.95017389630531301492e+00);
INSERT INTO "curves" VALUES('18eb733dccaf05a1',5,3,2.70068120000814815284e-02,7.89233269116713387347e+00);
INSERT INTO "curves" VALUES('18eb733dccaf05a1',6,1,1.15048980001120071392e-02,7.94324437133674887689e+00);
INSERT INTO "curves" VALUES('18eb733dccaf05a1',6,2,2.21990860000005341134e-02,7.87426213007567632473e+00);
INSERT INTO "curves" VALUES('18eb733dccaf05a1',6,3,3.3072479000111343339e-02,7.84567930143288094768e+00);
INSERT INTO "curves" VALUES('18eb733dccaf05a1',7,1,7.23398599984648171812e-03,7.92758707080219870988e+00);
INSERT INTO "curves" VALUES('18eb733dccaf05a1',7,2,1.51419039998472726438e-02,7.79568256896585598525e+00);
INSERT INTO "curves" VALUES('18eb733dccaf05a1',7,3,2.3350783999831037363e-02,7.72792965969315);
INSERT INTO "curves" VALUES('18eb733dccaf05a1',8,1,8.5303660000590753043e-03,7.99191683739213054593e+00);
INSERT INTO "curves" VALUES('18eb733dccaf05a1',8,2,1.64350950001335149863e-02,8.01394712703705280887e+00);
INSERT INTO "curves" VALUES('18eb733dccaf05a1',8,3,2.43926020000344578875e-02,7.70440862443054896857e+00);
INSERT INTO "curves" VALUES('18eb733dccaf05a1',9,1,8.30522199998995347414e-03,7.92758707080219870988e+00);
INSERT INTO "curves" VALUES('18eb733dccaf05a1',9,2,1.62973110000166343525e-02,7.44746516818030634965e+00);
INSERT INTO "curves" VALUES('18eb733dccaf05a1',9,3,2.44143039999471511691e-02,7.00281365540296274474e+00);
INSERT INTO "curves" VALUES('18eb733dccaf05a1',10,1,8.71820399993339378852e-03,7.99191683739213054593e+00);
INSERT INTO "curves" VALUES('18eb733dccaf05a1',10,2,1.73357589999341143993e-02,8.01927102197716301645e+00);
INSERT INTO "curves" VALUES('18eb733dccaf05a1',10,3,2.53516729999319068156e-02,7.69494545104947391678e+00);
INSERT INTO "curves" VALUES('18eb733dccaf05a1',11,1,0.00867026299988538,7.93276718824618676251e+00);
INSERT INTO "curves" VALUES('18eb733dccaf05a1',11,2,1.70720479998180962866e-02,7.50325358839778733255e+00);
INSERT INTO "curves" VALUES('18eb733dccaf05a1',11,3,2.51710749998892424628e-02,7.14772623701996590028e+00);
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
INSERT INTO "evaluations" VALUES('18eb733dccaf05a1',0,'75b52fcad166',0,673228719,'finished','','','{"parameters": 16528, "flops_per_token": 43100.75, "state_size": 4096, "bits_per_byte": 6.9553303093376835, "step_time": 6.963877000089269, "train_seconds": 0.022875117000239698, "train_tokens": 384}','host:1','cpu',1.79565558576663446429e+09,1.79565558576803731925e+09,1.79565558714269566534e+09,0,1);
INSERT INTO "evaluations" VALUES('18eb733dccaf05a1',1,'046105625558',0,673228719,'finished','','','{"parameters": 16528, "flops_per_token": 43100.75, "state_size": 4096, "bits_per_byte": 7.441536408744069, "step_time": 10.805052000023352, "train_seconds": 0.029452780999918104, "train_tokens": 384}','host:1','cpu',1.79565558714856266971e+09,1.7956555871489539146e+09,1.79565558748193740846e+09,2,3);
INSERT INTO "evaluations" VALUES('18eb733dccaf05a1',2,'adfc57f7b725',0,673228719,'finished','','','{"parameters": 15504, "flops_per_token": 41820.75, "state_size": 4096, "bits_per_byte": 7.895222539690168, "step_time": 10.012408999955369, "train_seconds": 0.028193216999852666, "train_tokens": 384}','host:1','cpu',1.79565558748466038698e+09,1.79565558748497962953e+09,1.79565558779977273943e+09,4,5);
INSERT INTO "evaluations" VALUES('18eb733dccaf05a1',3,'5ae498fc34b6',0,673228719,'finished','','','{"parameters": 16528, "flops_per_token": 43100.75, "state_size": 4096, "bits_per_byte": 7.816327909053822, "step_time": 9.993080999947779, "train_seconds": 0.031732164999993984, "train_tokens": 384}','host:1','cpu',1.79565558780234074591e+09,1.79565558780260205269e+09,1.79565558815012454984e+09,6,7);
INSERT INTO "evaluations" VALUES('18eb733dccaf05a1',4,'ae11fa83a6d6',0,673228719,'finished','','','{"parameters": 13456, "flops_per_token": 37212.75, "state_size": 4096, "bits_per_byte": 7.871069098498598, "step_time": 10.902966999992714, "train_seconds": 0.03268092899975272, "train_tokens": 384}','host:1','cpu',1.79565558815347266199e+09,1.79565558815374302862e+09,1.79565558850818681718e+09,8,9);
INSERT INTO "evaluations" VALUES('18eb733dccaf05a1',5,'b89d944c5167',0,673228719,'finished','','','{"parameters": 14992, "flops_per_token": 40668.75, "state_size": 4096, "bits_per_byte": 7.898690344737514, "step_time": 8.936516999938249, "train_seconds": 0.02701600600016718, "train_tokens": 384}','host:1','cpu',1.79565558851065635681e+09,1.79565558851082873346e+09,1.79565558884860777856e+09,10,11);
INSERT INTO "evaluations" VALUES('18eb733dccaf05a1',6,'226070cb2ebf',0,673228719,'finished','','','{"parameters": 13968, "flops_per_token": 38364.75, "state_size": 4096, "bits_per_byte": 7.848268073731371, "step_time": 10.87339300011081, "train_seconds": 0.03307936900023378, "train_tokens": 384}','host:1','cpu',1.79565558885126781468e+09,1.79565558885147380833e+09,1.79565558919489169122e+09,12,13);
INSERT INTO "evaluations" VALUES('18eb733dccaf05a1',7,'4dabc1b44d23',0,673228719,'finished','','','{"parameters": 16528, "flops_per_token": 43100.75, "state_size": 4096, "bits_per_byte": 7.7145661477557805, "step_time": 7.907918000000791, "train_seconds": 0.023359145999847897, "train_tokens": 384}','host:1','cpu',1.79565558919696545599e+09,1.79565558919712471965e+09,1.79565558951198816304e+09,14,15);
INSERT INTO "evaluations" VALUES('18eb733dccaf05a1',8,'d80f349f3de8',0,673228719,'finished','','','{"parameters": 13456, "flops_per_token": 37212.75, "state_size": 4096, "bits_per_byte": 7.651112752302459, "step_time": 7.957506999900943, "train_seconds": 0.024398901000040496, "train_tokens": 384}','host:1','cpu',1.79565558955841350552e+09,1.79565558955866050715e+09,1.79565558987076520918e+09,16,17);
INSERT INTO "evaluations" VALUES('18eb733dccaf05a1',9,'adb3d847591d',0,673228719,'finished','','','{"parameters": 16528, "flops_per_token": 43100.75, "state_size": 4096, "bits_per_byte": 6.86213545880097, "step_time": 8.116992999930517, "train_seconds": 0.024419692000037685, "train_tokens": 384}','host:1','cpu',1.79565558988128972056e+09,1.7956555898815367222e+09,1.79565559018736052511e+09,18,19);
INSERT INTO "evaluations" VALUES('18eb733dccaf05a1',10,'aa508902f486',0,673228719,'finished','','','{"parameters": 13456, "flops_per_token": 37212.75, "state_size": 4096, "bits_per_byte": 7.637511464515485, "step_time": 8.61755500000072, "train_seconds": 0.02535760199998549, "train_tokens": 384}','host:1','cpu',1.79565559019788622855e+09,1.79565559019815659518e+09,1.79565559050471568102e+09,20,21);
INSERT INTO "evaluations" VALUES('18eb733dccaf05a1',11,'7b25450d76d5',0,673228719,'finished','','','{"parameters": 14992, "flops_per_token": 40668.75, "state_size": 4096, "bits_per_byte": 7.014826302962748, "step_time": 8.401784999932715, "train_seconds": 0.025177293999831818, "train_tokens": 384}','host:1','cpu',1.79565559053559207916e+09,1.7956555905358507633e+09,1.79565559084759235383e+09,22,23);
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
INSERT INTO "genomes" VALUES('18eb733dccaf05a1','75b52fcad166',0,'random','[]','{"training.learning_rate": 0.0247077, "embedding.kind": "standard"}');
INSERT INTO "genomes" VALUES('18eb733dccaf05a1','046105625558',1,'random','[]','{"training.learning_rate": 0.0116678, "embedding.kind": "standard"}');
INSERT INTO "genomes" VALUES('18eb733dccaf05a1','adfc57f7b725',2,'random','[]','{"training.learning_rate": 0.00153296, "embedding.kind": "spectral", "embedding.bases": 6, "embedding.frequencies": [0.585081, 4.84222]}');
INSERT INTO "genomes" VALUES('18eb733dccaf05a1','5ae498fc34b6',3,'random','[]','{"training.learning_rate": 0.00249401, "embedding.kind": "standard"}');
INSERT INTO "genomes" VALUES('18eb733dccaf05a1','ae11fa83a6d6',4,'random','[]','{"training.learning_rate": 0.010077, "embedding.kind": "spectral", "embedding.bases": 2, "embedding.frequencies": [5.91473, 6.79425]}');
INSERT INTO "genomes" VALUES('18eb733dccaf05a1','b89d944c5167',5,'random','[]','{"training.learning_rate": 0.00148695, "embedding.kind": "spectral", "embedding.bases": 5, "embedding.frequencies": [0.509819, 3.18986]}');
INSERT INTO "genomes" VALUES('18eb733dccaf05a1','226070cb2ebf',6,'random','[]','{"training.learning_rate": 0.00452051, "embedding.kind": "spectral", "embedding.bases": 3, "embedding.frequencies": [1.86538, 2.9871]}');
INSERT INTO "genomes" VALUES('18eb733dccaf05a1','4dabc1b44d23',7,'random','[]','{"training.learning_rate": 0.0049558, "embedding.kind": "standard"}');
INSERT INTO "genomes" VALUES('18eb733dccaf05a1','d80f349f3de8',8,'mutation','["75b52fcad166"]','{"training.learning_rate": 0.0285159, "embedding.kind": "spectral", "embedding.bases": 2, "embedding.frequencies": [1.59408, 5.5363]}');
INSERT INTO "genomes" VALUES('18eb733dccaf05a1','adb3d847591d',9,'crossover','["d80f349f3de8", "ae11fa83a6d6"]','{"training.learning_rate": 0.0273682, "embedding.kind": "standard"}');
INSERT INTO "genomes" VALUES('18eb733dccaf05a1','aa508902f486',10,'crossover','["adb3d847591d", "d80f349f3de8"]','{"training.learning_rate": 0.0298043, "embedding.kind": "spectral", "embedding.bases": 2, "embedding.frequencies": [1.59408, 5.5363]}');
INSERT INTO "genomes" VALUES('18eb733dccaf05a1','7b25450d76d5',11,'crossover','["75b52fcad166", "d80f349f3de8"]','{"training.learning_rate": 0.0297616, "embedding.kind": "spectral", "embedding.bases": 5, "embedding.frequencies": [1.08802, 2.85175]}');
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
INSERT INTO "runs" VALUES('18eb733dccaf05a1','tiny-20261126-011305','finished','budget spent',1.79565558574640727045e+09,5.08770365899999887915e+00,'{"seed": 0, "algorithm": "evolution", "synchronous": false, "set": [], "founders": [], "corpus": {"name": "files 2896e3a719f7", "hash": "86b1845049c23a0f3954885fd1ffa033465c034500b0c0712703c8f1df0f08f6"}, "id": "18eb733dccaf05a1", "directory": "/home/somebody", "versions": {"python": "3.11.7", "platform": "Linux-x86_64", "hrfevo": "0.1.0", "torch": "2.13.0+cpu", "numpy": "2.4.6", "deap": "1.4.4", "ray": "2.60.0", "optuna": "5.0.0", "PyWavelets": "1.9.0", "tokenizers": "0.23.3", "SQLAlchemy": "2.1.9"}, "space_hash": "7ed41231d5282dee3b29e55bb44d7fc953ca09a15cc1ed9eb237fb5b8eb907fc", "store": null}');
CREATE TABLE schema_version (
	version INTEGER NOT NULL
);
INSERT INTO "schema_version" VALUES(1);
COMMIT;
